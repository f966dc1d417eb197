package gui

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	keeping "postern/client/person"
	"postern/client/profile"
	"postern/client/profile/formats"
	"postern/client/secret"
)

// profileButtons stand below the list.
func (u *UI) profileButtons() []fyne.CanvasObject {
	var more *widget.Button
	more = button("", theme.MoreVerticalIcon(), func() { u.more(more) })
	return []fyne.CanvasObject{
		button(lang.L("Import…"), theme.FolderOpenIcon(), u.pickImport),
		button(lang.L("New"), theme.ContentAddIcon(), func() { u.edit(nil, "") }),
		more,
	}
}

// more shows what can be done with the selected profile.
func (u *UI) more(at fyne.CanvasObject) {
	e := u.entry()
	item := func(text string, icon fyne.Resource, usable bool, f func()) *fyne.MenuItem {
		m := fyne.NewMenuItem(text, f)
		m.Icon, m.Disabled = icon, !usable
		return m
	}
	var p *profile.Profile
	own := e != nil && e.own
	if own {
		p = u.person.find(e.name)
	}
	menu := fyne.NewMenu("",
		item(lang.L("Edit…"), theme.DocumentCreateIcon(), e != nil && u.editable(e), func() { u.editEntry(e, "name") }),
		item(lang.L("Duplicate…"), theme.ContentCopyIcon(), p != nil, func() { u.duplicate(p) }),
		item(lang.L("Export…"), theme.DocumentSaveIcon(), p != nil, func() { u.export(p) }),
		item(lang.L("Forget secrets"), theme.VisibilityOffIcon(), own || e != nil && e.managed, func() { u.forgetSecrets(e.name) }),
		item(lang.L("Import what was copied"), theme.ContentPasteIcon(), true, u.importCopied),
		item(lang.L("Delete…"), theme.DeleteIcon(), own, func() { u.deleteProfile(e) }),
	)
	size := at.Size()
	widget.ShowPopUpMenuAtRelativePosition(menu, u.window.Canvas(), fyne.NewPos(0, -menuHeight(menu)+size.Height), at)
}

// editable says whether a profile can be looked at in the editor.
func (u *UI) editable(e *entry) bool {
	return e.own && u.person.find(e.name) != nil || !e.own && !e.demo && e.owner == ""
}

// editEntry opens the editor on a line's profile, at a key.
func (u *UI) editEntry(e *entry, key string) {
	switch p := u.person.find(e.name); {
	case !u.editable(e):
	case e.own:
		u.editAt(p, e.name, key)
	default:
		u.editManaged(e.name, key)
	}
}

// menuHeight is about how high a menu is, which opens upwards.
func menuHeight(m *fyne.Menu) float32 {
	return float32(len(m.Items)) * (theme.TextSize() + 4*theme.InnerPadding())
}

// duplicate opens the editor on a copy.
func (u *UI) duplicate(p *profile.Profile) {
	q := *p
	q.Name = strings.TrimSpace(p.Name + " 2")
	u.edit(&q, "")
}

func (u *UI) forgetSecrets(name string) {
	kinds, err := secret.Forget(name)
	if err != nil && !errors.Is(err, secret.ErrNone) {
		u.complain(err)
		return
	}
	text := lang.L("Nothing was kept in the keyring.")
	if len(kinds) > 0 {
		text = lang.L("Forgotten: {{.Kinds}}.", map[string]any{"Kinds": strings.Join(kinds, ", ")})
	}
	dialog.ShowInformation(name, text, u.window)
}

func (u *UI) deleteProfile(e *entry) {
	dialog.ShowConfirm(e.name, lang.L("Delete this profile and its secrets?"), func(yes bool) {
		if !yes {
			return
		}
		if err := u.person.remove(e.name); err != nil {
			u.complain(err)
		}
		u.reload()
	}, u.window)
}

// export writes a profile in another format, without its secrets.
func (u *UI) export(p *profile.Profile) {
	format := widget.NewSelect(formats.Formats(), nil)
	format.SetSelectedIndex(0)
	dialog.ShowForm(lang.L("Export {{.Name}}", map[string]any{"Name": p.Name}), lang.L("Export…"), lang.L("Cancel"),
		[]*widget.FormItem{widget.NewFormItem(lang.L("Format"), format)}, func(yes bool) {
			if !yes {
				return
			}
			data, notes, err := formats.Export(p, format.Selected, false)
			if err != nil {
				u.complain(err)
				return
			}
			u.saveAs(data, notes)
		}, u.window)
}

// saveText asks where to save a text, and saves it there.
func (u *UI) saveText(name, text string) {
	d := dialog.NewFileSave(func(w fyne.URIWriteCloser, err error) {
		if err != nil || w == nil {
			return
		}
		_, err = io.WriteString(w, text)
		if err = errors.Join(err, w.Close()); err != nil {
			u.complain(err)
		}
	}, u.window)
	d.SetFileName(name)
	d.Show()
}

func (u *UI) saveAs(data []byte, notes []formats.Note) {
	dialog.ShowFileSave(func(w fyne.URIWriteCloser, err error) {
		if err != nil || w == nil {
			return
		}
		_, err = w.Write(data)
		if err = errors.Join(err, w.Close()); err != nil {
			u.complain(err)
			return
		}
		if len(notes) > 0 {
			u.tell(lang.L("What the format can't hold"), notesText(notes))
		}
	}, u.window)
}

func (u *UI) pickImport() {
	dialog.ShowFileOpen(func(r fyne.URIReadCloser, err error) {
		if err != nil || r == nil {
			return
		}
		defer r.Close()
		data, err := io.ReadAll(io.LimitReader(r, maxImport+1))
		if err != nil {
			u.complain(err)
			return
		}
		u.preview([]formats.File{{Name: r.URI().Name(), Data: data}})
	}, u.window)
}

// importCopied imports a profile whose text is in the clipboard.
func (u *UI) importCopied() {
	u.preview([]formats.File{{Name: lang.L("what was copied"), Data: []byte(u.app.Clipboard().Content())}})
}

// maxImport bounds a file, in octets; the importers have bounds of their own.
const maxImport = 8 << 20

// Open imports files: those that were dropped on the window, or that a file manager
// opens with it.
func (u *UI) Open(paths ...string) {
	var files []formats.File
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			u.complain(err)
			return
		}
		data, err := io.ReadAll(io.LimitReader(f, maxImport+1))
		f.Close()
		if err != nil {
			u.complain(err)
			return
		}
		files = append(files, formats.File{Name: filepath.Base(path), Data: data})
	}
	if len(files) > 0 {
		u.preview(files)
	}
}

// preview shows what files hold before anything is saved.
func (u *UI) preview(files []formats.File) {
	result, err := formats.Import(files)
	for _, f := range files {
		clear(f.Data)
	}
	if err != nil {
		u.complain(err)
		return
	}
	box := container.NewVBox()
	var chosen []*widget.Check
	for _, i := range result.Profiles {
		c := widget.NewCheck(i.Profile.Name+" · "+i.Profile.Gateway.String(), nil)
		c.Checked = true
		chosen = append(chosen, c)
		text := widget.NewLabel(importText(i))
		text.Wrapping, text.Selectable = fyne.TextWrapWord, true
		box.Add(c)
		box.Add(text)
	}
	if rest := notesText(append(append([]formats.Note(nil), result.Warnings...), result.Ignored...)); rest != "" {
		text := widget.NewLabel(rest)
		text.Wrapping = fyne.TextWrapWord
		box.Add(text)
	}
	u.decide(lang.L("Import"), lang.L("Import"), fyne.NewSize(600, 480), container.NewVScroll(box), func(yes bool) {
		if yes {
			u.take(result, chosen)
		}
		for _, i := range result.Profiles {
			i.Profile.Clear()
		}
	})
}

// importText says what was understood of a profile, and where its secrets go.
func importText(i formats.Imported) string {
	var b strings.Builder
	for _, s := range i.Profile.Settings(false) {
		if s.Key != "name" && s.Key != "gateway" {
			b.WriteString(fieldLabel(s.Key) + ": " + plain(s) + "\n")
		}
	}
	for _, part := range []struct {
		title string
		notes []formats.Note
	}{
		{lang.L("Guessed"), i.Guessed}, {lang.L("Weak"), i.Weak}, {lang.L("Ignored"), i.Ignored}, {lang.L("Note"), i.Warnings},
	} {
		if len(part.notes) > 0 {
			b.WriteString("\n" + part.title + ":\n" + notesText(part.notes))
		}
	}
	if len(i.Profile.Secrets()) > 0 {
		where := lang.L("Its secrets go into your keyring.")
		if secret.Available() != nil {
			where = lang.L("Its secrets go into files beside the profile, which only you can read: there is no keyring here.")
		}
		b.WriteString("\n" + where)
	}
	return b.String()
}

// plain is a profile's setting as a person reads it.
func plain(s profile.Setting) string {
	switch {
	case profile.IsSecret(s.Key):
		return lang.L("given")
	case s.Value == "true":
		return lang.L("Yes")
	case s.Value == "false":
		return lang.L("No")
	}
	for _, page := range profilePages() {
		for _, f := range page.fields {
			if f.key == s.Key {
				return f.shown(s.Value)
			}
		}
	}
	return s.Value
}

func notesText(notes []formats.Note) string {
	var b strings.Builder
	for _, n := range notes {
		b.WriteString("• ")
		if n.Key != "" {
			b.WriteString(n.Key + ": ")
		}
		b.WriteString(n.Text + "\n")
	}
	return b.String()
}

// take stores what was chosen. What a person changed since an earlier import is kept
// beside the profile.
func (u *UI) take(r *formats.Result, chosen []*widget.Check) {
	store := keeping.Store{Folder: profile.UserFolder(), Keyring: secret.Available() == nil, Replace: true}
	for n := range r.Profiles {
		if !chosen[n].Checked {
			continue
		}
		stored := store.Import(&r.Profiles[n])
		if stored.Err != nil {
			u.complain(stored.Err)
			continue
		}
		u.selected = u.person.id + ":" + stored.Name
	}
	u.reload()
}
