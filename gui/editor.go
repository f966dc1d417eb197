package gui

import (
	"errors"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"postern/client/profile"
)

// editor is the form of one profile. What is typed is checked at once, as the profile's
// file would be.
type editor struct {
	ui     *UI
	before string // the name of the profile that is edited; "": a new one
	base   *profile.Profile
	// managed is what the administrator wrote, of a profile that they manage; nil: it is
	// the person's own.
	managed    *profile.Profile
	modeChosen bool // the mode isn't the default any more
	inputs     []*input
	fault      *widget.Label
	weak       *widget.Label
	save       *keyButton
	tabs       *container.AppTabs
	dialog     *dialog.CustomDialog
}

// input is one field of the form.
type input struct {
	profileField
	initial string // as shown at first
	get     func() string
	object  fyne.CanvasObject
	hint    *widget.Label
	locked  string // by whom; "": it can be changed
	page    int
	whole   fyne.CanvasObject // with label and explanation
	focus   fyne.Focusable
}

// edit opens the editor: on a profile of the person's, on a copy of one (name ""), or on
// an empty one (p nil).
func (u *UI) edit(p *profile.Profile, name string) { u.editAt(p, name, "name") }

// editAt is edit with the focus on a key's field.
func (u *UI) editAt(p *profile.Profile, name, key string) {
	u.newEditor(p, name, nil).show(key)
}

// editManaged opens the editor on a person's changes of a managed profile.
func (u *UI) editManaged(name, key string) {
	m := u.person.managed(name)
	if m == nil {
		u.say(name, fyne.NewSize(440, 0), wrapped(lang.L("This profile is your administrator's. Only they can change it, or look at it.")))
		return
	}
	q, err := u.person.changed(m)
	if err != nil { // what was changed isn't right: it can be changed again
		u.complain(err)
		q = m
	}
	if key == "name" {
		key = "user" // most often all else is locked
	}
	u.newEditor(q, name, m).show(key)
}

func (e *editor) show(key string) {
	e.dialog.Resize(fyne.NewSize(640, 560))
	e.dialog.Show()
	e.goTo(key)
}

// newEditor builds the form and its dialog. m is the administrator's profile that p has
// changes of; nil: p is the person's own.
func (u *UI) newEditor(p *profile.Profile, name string, m *profile.Profile) *editor {
	e := &editor{ui: u, before: name, base: p, managed: m, fault: widget.NewLabel(""), weak: widget.NewLabel("")}
	if p == nil {
		e.base = profile.Default()
	}
	e.fault.Importance, e.weak.Importance = widget.DangerImportance, widget.WarningImportance
	e.weak.SizeName = theme.SizeNameCaptionText
	e.fault.Wrapping, e.weak.Wrapping = fyne.TextWrapWord, fyne.TextWrapWord
	values := make(map[string]string)
	for _, s := range e.base.Settings(true) {
		values[s.Key] = s.Value
	}
	e.tabs = container.NewAppTabs()
	for i, page := range profilePages() {
		form := container.NewVBox()
		for _, f := range page.fields {
			in := e.newInput(f, f.shown(values[f.key]), i)
			form.Add(in.row())
		}
		e.tabs.Append(container.NewTabItem(page.name, container.NewVScroll(container.NewPadded(form))))
	}
	e.save = newKeyButton(lang.L("Save"), e.keep, e.close)
	e.save.Importance = widget.HighImportance
	title := lang.L("New profile")
	if name != "" {
		title = name
	}
	var head fyne.CanvasObject
	if m != nil {
		head = wrapped(lang.L("Your administrator manages this profile. What you change of it is kept as your own; what has a lock can't be changed."))
	}
	e.dialog = dialog.NewCustomWithoutButtons(title, container.NewBorder(head, container.NewVBox(e.fault, e.weak), nil, nil, e.tabs), u.window)
	e.dialog.SetButtons([]fyne.CanvasObject{newKeyButton(lang.L("Cancel"), e.close, e.close), e.save})
	e.check()
	return e
}

// above is how much of what is above a field is shown too, in Fyne's units.
const above = 200

// goTo shows a key's field and puts the focus there.
func (e *editor) goTo(key string) {
	for _, in := range e.inputs {
		if in.key != key {
			continue
		}
		e.tabs.SelectIndex(in.page)
		page := e.tabs.Items[in.page].Content.(*container.Scroll)
		page.ScrollToOffset(fyne.NewPos(0, max(in.whole.Position().Y-above, 0)))
		if in.focus != nil {
			e.ui.window.Canvas().Focus(in.focus)
		}
	}
}

func (e *editor) close() { e.dialog.Hide() }

func (e *editor) newInput(f profileField, value string, page int) *input {
	in := &input{profileField: f, initial: value, page: page, hint: widget.NewLabel(f.help), locked: e.lockOf(f.key)}
	in.hint.SizeName, in.hint.Wrapping = theme.SizeNameCaptionText, fyne.TextWrapWord
	switch f.kind {
	case asCheck:
		c := widget.NewCheck(f.label, func(bool) { e.check() })
		c.Checked = value == "true"
		in.focus, in.object, in.get = c, c, func() string {
			if c.Checked {
				return "true"
			}
			return "false"
		}
	case asChoice:
		choices := slices.Clone(f.choices)
		if !slices.Contains(choices, value) {
			choices = append(choices, value)
		}
		s := widget.NewSelect(choices, func(string) { e.check() })
		s.Selected, s.PlaceHolder = value, "–"
		in.focus, in.object, in.get = s, s, func() string { return s.Selected }
	default:
		entry := newTextEntry(e.close)
		if f.kind == asSecret {
			entry = newSecretEntry(e.close)
		}
		entry.SetText(value)
		entry.OnChanged = func(string) {
			e.followGroup(f.key)
			e.check()
		}
		entry.OnSubmitted = func(string) {
			if !e.save.Disabled() {
				e.keep()
			}
		}
		in.focus, in.object, in.get = entry, entry, func() string { return entry.Text }
		if f.kind == asFile {
			open := widget.NewButtonWithIcon("", theme.FolderOpenIcon(), func() { e.pick(entry) })
			if in.locked != "" {
				open.Disable()
			}
			in.object = container.NewBorder(nil, nil, nil, open, entry)
		}
	}
	if o, ok := in.focus.(fyne.Disableable); ok && in.locked != "" {
		o.Disable()
		in.hint.SetText(in.locked + " " + f.help)
	}
	e.inputs = append(e.inputs, in)
	return in
}

// followGroup chooses Aggressive Mode in a new profile when a group is typed: Main Mode
// with a group's key can't name the group (RFC 2409, section 5.4). What the person chose
// stays.
func (e *editor) followGroup(key string) {
	if key != "identity" || e.before != "" || e.modeChosen {
		return
	}
	for _, in := range e.inputs {
		if s, ok := in.focus.(*widget.Select); ok && in.key == "mode" && s.Selected == string(profile.MainMode) {
			e.modeChosen = true
			s.SetSelected(string(profile.AggressiveMode))
		}
	}
}

// lockOf says who locked a key; "": nobody.
func (e *editor) lockOf(key string) string {
	if e.managed != nil {
		return lockedBy(e.managed, true, key)
	}
	return lockedBy(e.base, false, key)
}

// row is a field with its label above and its explanation below.
func (in *input) row() fyne.CanvasObject {
	hint := fyne.CanvasObject(in.hint)
	if in.locked != "" {
		lock := container.NewGridWrap(fyne.NewSquareSize(theme.IconInlineSize()), widget.NewIcon(iconLock))
		hint = container.NewBorder(nil, nil, container.NewCenter(lock), nil, in.hint)
	}
	rows := container.NewVBox(in.object, hint)
	if in.kind != asCheck {
		rows.Objects = append([]fyne.CanvasObject{widget.NewLabelWithStyle(in.label, fyne.TextAlignLeading, fyne.TextStyle{Bold: true})}, rows.Objects...)
	}
	in.whole = rows
	return in.whole
}

// pick lets the person choose a file for a field.
func (e *editor) pick(entry *textEntry) {
	dialog.ShowFileOpen(func(r fyne.URIReadCloser, err error) {
		if err == nil && r != nil {
			entry.SetText(r.URI().Path())
			r.Close()
		}
	}, e.ui.window)
}

// document is the form as a profile's file, without secrets.
func (e *editor) document() []byte {
	return e.text(func(in *input) bool {
		typed := in.get()
		return in.kind != asSecret && in.written(typed) != "" && (typed != in.initial || !isDefault(in.key, in.written(typed)))
	})
}

// text is a profile's file with the fields that are wanted.
func (e *editor) text(wanted func(*input) bool) []byte {
	var b strings.Builder
	tables := make(map[string][]string)
	for _, in := range e.inputs {
		if !wanted(in) {
			continue
		}
		value := in.written(in.get())
		if value == "" { // what was there is to be nothing
			value = in.nothing()
		}
		if table, key, ok := strings.Cut(in.key, "."); ok {
			tables[table] = append(tables[table], key+" = "+value)
			continue
		}
		b.WriteString(in.key + " = " + value + "\n")
	}
	for _, table := range []string{"certificates", "lifetime"} {
		if lines := tables[table]; lines != nil {
			b.WriteString("[" + table + "]\n" + strings.Join(lines, "\n") + "\n")
		}
	}
	return []byte(b.String())
}

// isDefault says whether a key has its default.
func isDefault(key, value string) bool {
	for _, s := range profile.Default().Settings(true) {
		if s.Key == key {
			return s.Value == value || (s.Value == `""` || s.Value == "[]") && value == ""
		}
	}
	return false
}

// profile is what is typed, if it is right.
func (e *editor) profile() (*profile.Profile, error) {
	if e.managed != nil {
		p, _, err := e.managed.Change(e.changesText(), "")
		return p, err
	}
	for _, in := range e.inputs {
		if in.key == "name" && strings.TrimSpace(in.get()) == "" {
			return nil, &profile.Error{Key: "name", Problem: lang.L("a profile needs a name")}
		}
	}
	p, err := profile.Parse(e.document(), "")
	if err != nil {
		return nil, err
	}
	if err := profile.CheckName(p.Name); err != nil {
		return nil, &profile.Error{Key: "name", Problem: err.Error()}
	}
	return p, nil
}

// check tells what is wrong, at the field and below the form.
func (e *editor) check() {
	if e.save == nil {
		return // still being built
	}
	p, err := e.profile()
	var fault *profile.Error
	if e.touched() { // nobody likes to be blamed for an empty form
		errors.As(err, &fault)
	}
	for _, in := range e.inputs {
		text, importance := in.help, widget.MediumImportance
		if in.locked != "" {
			text = in.locked + " " + in.help
		}
		if fault != nil && fault.Key == in.key {
			text, importance = fault.Problem, widget.DangerImportance
		}
		if in.hint.Text != text || in.hint.Importance != importance {
			in.hint.Importance = importance
			in.hint.SetText(text)
		}
	}
	setText(e.fault, "")
	setText(e.weak, "")
	if err != nil {
		e.save.Disable()
		if e.touched() {
			setText(e.fault, e.where(fault)+err.Error())
		}
		return
	}
	e.save.Enable()
	setText(e.weak, strings.Join(p.Weak(), "\n"))
}

// touched says whether anything was typed, or was there at first.
func (e *editor) touched() bool {
	return e.before != "" || slices.ContainsFunc(e.inputs, func(in *input) bool { return in.get() != in.initial })
}

// where names the page that a fault is on.
func (e *editor) where(fault *profile.Error) string {
	for _, in := range e.inputs {
		if fault != nil && in.key == fault.Key && e.tabs.SelectedIndex() != in.page {
			return e.tabs.Items[in.page].Text + ": "
		}
	}
	return ""
}

// keep saves what is typed. Secrets go to the keyring, or where there is none into the
// profile, which only its owner can read.
func (e *editor) keep() {
	p, err := e.profile()
	if err != nil {
		return
	}
	secrets := make(map[string][]byte)
	for _, in := range e.inputs {
		if in.kind == asSecret && in.get() != "" {
			secrets[in.key] = []byte(in.get())
		}
	}
	if e.managed != nil {
		err = e.ui.person.keepChanges(e.managed, e.changesText(), secrets)
	} else {
		err = e.ui.person.save(p, e.base, e.before, secrets)
	}
	if err != nil {
		e.ui.complain(err)
		return
	}
	e.close()
	if e.managed == nil {
		e.ui.selected = e.ui.person.id + ":" + p.Name
	}
	e.ui.reload()
}
