package gui

import (
	"errors"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/dialog"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"postern/client/localapi"
	"postern/client/prompt"
)

// question is a prompt that is being shown.
type question struct {
	tunnel string
	prompt prompt.Prompt
	dialog *dialog.CustomDialog
	fields []field
	first  fyne.Focusable // a button
	clock  *widget.Label  // how long the gateway waits
	fault  *widget.Label  // what is wrong with the answers
	save   *widget.Check  // nil: nothing may be kept
	done   func(answers map[string]localapi.Octets, keep bool)
}

// field is where one answer is typed; a new PIN has two.
type field struct {
	prompt.Field
	entry, again *textEntry
	yes          *widget.RadioGroup
}

// newQuestion builds a prompt's form. done is called once: with the answers, or with nil
// when the person declines. mayKeep says whether what is typed may be kept,
// hint what a demonstration tells of the profile.
func newQuestion(tunnel string, p prompt.Prompt, mayKeep bool, hint string, w fyne.Window, done func(map[string]localapi.Octets, bool)) *question {
	q := &question{tunnel: tunnel, prompt: p, done: done}
	q.clock, q.fault = widget.NewLabel(""), widget.NewLabel("")
	q.fault.Importance, q.fault.Wrapping = widget.DangerImportance, fyne.TextWrapWord
	q.fault.Hide()
	box := container.NewVBox()
	if p.Message != "" {
		message := widget.NewLabel(p.Message)
		message.Wrapping, message.Selectable = fyne.TextWrapWord, true
		box.Add(message)
	}
	form := widget.NewForm()
	for _, f := range p.Fields {
		q.add(form, f)
	}
	switch {
	case !q.yesNo():
		box.Add(form)
	case p.Message == "" || p.Fields[0].Label != "Answer": // the gateway's text is a question
		box.Add(wrapped(prompt.Clean(p.Fields[0].Label, 100)))
	}
	if mayKeep {
		q.save = widget.NewCheck(lang.L("Remember it in my keyring"), nil)
		box.Add(q.save)
	}
	if hint != "" {
		said := wrapped(hint)
		said.SizeName, said.TextStyle = theme.SizeNameCaptionText, fyne.TextStyle{Monospace: true}
		box.Add(said)
	}
	box.Add(q.fault)
	box.Add(q.clock)
	q.dialog = dialog.NewCustomWithoutButtons(p.Title, box, w)
	q.dialog.SetButtons(q.buttons())
	q.tick(time.Now())
	return q
}

// yesNo says that one yes or no is all that is asked: two buttons answer it.
func (q *question) yesNo() bool { return len(q.fields) == 1 && q.fields[0].yes != nil }

// buttons are those below a prompt. The first of them that fits has the focus where
// there is nothing to type: never a yes that the prompt doesn't propose.
func (q *question) buttons() []fyne.CanvasObject {
	cancel := newKeyButton(lang.L("Cancel"), q.cancel, q.cancel)
	if !q.yesNo() {
		ok := newKeyButton(lang.L("Continue"), q.submit, q.cancel)
		ok.Importance = widget.HighImportance
		q.first = ok
		return []fyne.CanvasObject{cancel, ok}
	}
	all := []fyne.CanvasObject{cancel}
	q.first = cancel
	for _, answer := range []string{lang.L("No"), lang.L("Yes")} {
		b := newKeyButton(answer, func() { q.fields[0].yes.SetSelected(answer); q.submit() }, q.cancel)
		if q.fields[0].yes.Selected == answer {
			b.Importance = widget.HighImportance
			q.first = b
		}
		all = append(all, b)
	}
	return all
}

func (q *question) add(form *widget.Form, f prompt.Field) {
	e := field{Field: f}
	label := prompt.Clean(f.Label, 100)
	switch f.Kind {
	case prompt.YesNo:
		e.yes = widget.NewRadioGroup([]string{lang.L("Yes"), lang.L("No")}, nil)
		e.yes.Horizontal = true
		switch f.Default {
		case "yes":
			e.yes.SetSelected(lang.L("Yes"))
		case "no":
			e.yes.SetSelected(lang.L("No"))
		}
		form.Append(label, e.yes)
	case prompt.Text:
		e.entry = newTextEntry(q.cancel)
		e.entry.SetText(f.Default)
		form.Append(label, e.entry)
	default:
		e.entry = newSecretEntry(q.cancel)
		form.Append(label, e.entry)
	}
	if f.Kind == prompt.NewPIN {
		e.again = newSecretEntry(q.cancel)
		e.again.OnSubmitted = func(string) { q.submit() }
		form.Append(label+lang.L(" (again)"), e.again)
	}
	if e.entry != nil {
		e.entry.OnSubmitted = func(string) { q.submit() }
	}
	q.fields = append(q.fields, e)
}

// show opens the dialog, with the focus in the first empty field, else on a button.
func (q *question) show(w fyne.Window) {
	q.dialog.Resize(fyne.NewSize(420, 0))
	q.dialog.Show()
	for _, f := range q.fields {
		for _, e := range []*textEntry{f.entry, f.again} {
			if e != nil && e.Text == "" {
				w.Canvas().Focus(e)
				return
			}
		}
	}
	w.Canvas().Focus(q.first)
}

// tick shows how long the gateway still waits, in its last minutes.
func (q *question) tick(now time.Time) {
	text := ""
	if d := q.prompt.Deadline; !d.IsZero() {
		text = lang.L("The gateway waits {{.Span}} more.", map[string]any{"Span": span(d.Sub(now))})
	}
	setText(q.clock, text)
}

// submit hands the answers on, or says what is wrong with them.
func (q *question) submit() {
	answers := make(map[string]localapi.Octets)
	for _, f := range q.fields {
		a, err := f.answer()
		if err != nil {
			setText(q.fault, f.Label+": "+err.Error())
			q.fault.Show()
			return
		}
		answers[f.Name] = localapi.Octets(a)
	}
	q.finish(answers)
}

func (q *question) cancel() { q.finish(nil) }

func (q *question) finish(answers map[string]localapi.Octets) {
	if q.done == nil {
		return
	}
	done := q.done
	q.done = nil
	q.dismiss()
	done(answers, answers != nil && q.save != nil && q.save.Checked)
}

// dismiss closes the dialog and forgets what was typed.
func (q *question) dismiss() {
	q.done = nil
	q.dialog.Hide()
	for _, f := range q.fields {
		for _, e := range []*textEntry{f.entry, f.again} {
			if e != nil && f.Kind.Hidden() {
				e.SetText("")
			}
		}
	}
}

// answer is what was typed, if it fits.
func (f field) answer() (prompt.Answer, error) {
	var a prompt.Answer
	switch {
	case f.yes != nil && f.yes.Selected == lang.L("Yes"):
		a = prompt.Answer("yes")
	case f.yes != nil && f.yes.Selected == lang.L("No"):
		a = prompt.Answer("no")
	case f.entry != nil:
		a = prompt.Answer(f.entry.Text)
	}
	if err := f.Check(a); err != nil {
		return nil, err
	}
	if f.again != nil && f.again.Text != f.entry.Text {
		return nil, errors.New(lang.L("the two differ"))
	}
	return a, nil
}
