package gui

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"postern/client/localapi"
)

// diagnosisPage asks what a gateway answers to, and whether all is well here: with this
// machine, and with a profile.
type diagnosisPage struct {
	ui       *UI
	box      *fyne.Container
	host     *widget.Entry
	identity *widget.Entry
	subject  *widget.Select // what to check
	result   *fyne.Container
	buttons  []*widget.Button
	busy     *widget.ProgressBarInfinite
	table    [][]string // of the result, its titles first; nil: there is none
	text     string     // the result, to be copied
}

func newDiagnosisPage(u *UI) *diagnosisPage {
	p := &diagnosisPage{ui: u, host: widget.NewEntry(), identity: widget.NewEntry(), result: container.NewVBox(), busy: widget.NewProgressBarInfinite()}
	p.host.SetPlaceHolder(lang.L("Gateway: a name or address"))
	p.identity.SetPlaceHolder(lang.L("Group, if you know it"))
	p.busy.Stop()
	p.busy.Hide()
	probe := button(lang.L("Ask the gateway"), theme.SearchIcon(), p.probe)
	doctor := button(lang.L("Check"), theme.ConfirmIcon(), p.doctor)
	report := button(lang.L("Report for others…"), theme.DocumentSaveIcon(), p.report)
	copied := button(lang.L("Copy"), theme.ContentCopyIcon(), func() { u.app.Clipboard().SetContent(p.text) })
	p.buttons = []*widget.Button{probe, doctor, report}
	p.host.OnSubmitted = func(string) { p.probe() }
	p.identity.OnSubmitted = p.host.OnSubmitted
	p.subject = widget.NewSelect([]string{lang.L("This machine")}, nil)
	p.subject.SetSelectedIndex(0)
	top := container.NewVBox(
		container.NewBorder(nil, nil, nil, probe, container.NewGridWithColumns(2, p.host, p.identity)),
		container.NewBorder(nil, nil, nil, container.NewHBox(doctor, report, copied), p.subject), p.busy)
	p.result.Add(wrapped(lang.L("“Ask the gateway” finds out what a gateway answers to: which ports, modes and algorithms. “Check” looks for what may keep you from connecting, and says what to do about it. Neither changes anything.")))
	p.box = container.NewBorder(top, nil, nil, nil, container.NewVScroll(p.result))
	return p
}

// enter brings what can be chosen up to date when the page is opened.
func (p *diagnosisPage) enter() {
	names := []string{lang.L("This machine")}
	for _, e := range p.ui.entries {
		if e.owner == "" {
			names = append(names, e.name)
		}
	}
	p.subject.SetOptions(names)
	if p.ui.window != nil {
		p.ui.window.Canvas().Focus(p.host)
	}
	e := p.ui.entry()
	if e == nil || e.owner != "" {
		return
	}
	p.subject.SetSelected(e.name)
	if e.gateway != "" {
		p.ask(e)
	}
}

// ask fills in an entry's gateway.
func (p *diagnosisPage) ask(e *entry) {
	p.host.SetText(e.gateway)
	p.identity.SetText("")
	if q := p.ui.person.find(e.name); e.own && q != nil {
		p.identity.SetText(q.Identity)
	}
}

// run makes a long call and shows what it returns.
func (p *diagnosisPage) run(f func(context.Context, *localapi.Client) ([]finding, string, error)) {
	for _, b := range p.buttons {
		b.Disable()
	}
	p.busy.Show()
	p.busy.Start()
	p.table = nil
	api := p.ui.api
	go func() {
		found, more, err := f(p.ui.ctx, api)
		fyne.Do(func() {
			p.busy.Stop()
			p.busy.Hide()
			for _, b := range p.buttons {
				b.Enable()
			}
			if err != nil {
				p.ui.complain(err)
				return
			}
			p.show(found, more)
		})
	}()
}

// finding is a line of a result.
type finding struct {
	verdict             localapi.Verdict // "" for a fact
	title, text, advice string
}

func (p *diagnosisPage) show(found []finding, more string) {
	p.result.RemoveAll()
	p.text = ""
	for _, f := range found {
		title := widget.NewLabelWithStyle(f.title, fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
		text := widget.NewLabel(f.text)
		text.Wrapping, text.Selectable = fyne.TextWrapWord, true
		p.text += strings.TrimSpace(fmt.Sprintf("%-7s %s: %s", f.verdict, f.title, f.text)) + "\n"
		rows := container.NewVBox(title, text)
		if f.advice != "" {
			advice := widget.NewLabel(f.advice)
			advice.Wrapping, advice.Selectable, advice.Importance = fyne.TextWrapWord, true, widget.HighImportance
			rows.Add(advice)
			p.text += "        → " + f.advice + "\n"
		}
		p.result.Add(container.NewBorder(nil, nil, container.NewVBox(container.NewPadded(widget.NewIcon(verdictIcon(f.verdict)))), nil, rows))
	}
	if p.table != nil {
		p.result.Add(newTable(p.table))
		for _, row := range p.table {
			p.text += strings.Join(row, "\t") + "\n"
		}
	}
	if more != "" {
		lines := widget.NewLabelWithStyle(more, fyne.TextAlignLeading, fyne.TextStyle{Monospace: true})
		lines.Selectable = true
		p.result.Add(heading(lang.L("Lines for a profile")))
		p.result.Add(lines)
		p.text += "\n" + more
	}
	p.result.Refresh()
}

func verdictIcon(v localapi.Verdict) fyne.Resource {
	switch v {
	case localapi.VerdictOK:
		return theme.NewColoredResource(theme.ConfirmIcon(), theme.ColorNameSuccess)
	case localapi.VerdictWarn:
		return theme.NewColoredResource(theme.WarningIcon(), theme.ColorNameWarning)
	case localapi.VerdictFail:
		return theme.NewColoredResource(theme.ErrorIcon(), theme.ColorNameError)
	}
	return theme.InfoIcon()
}

// request asks the daemon's doctor for what is chosen. A profile of the person's own
// comes along.
func (p *diagnosisPage) request() func() (localapi.DoctorRequest, error) {
	name := p.subject.Selected
	i := slices.IndexFunc(p.ui.entries, func(e *entry) bool { return e.name == name && e.owner == "" })
	if p.subject.SelectedIndex() <= 0 || i < 0 {
		return func() (localapi.DoctorRequest, error) { return localapi.DoctorRequest{}, nil }
	}
	e := p.ui.entries[i]
	own, managed, id := e.own, e.managed, e.key
	return func() (r localapi.DoctorRequest, err error) {
		switch {
		case own:
			r.Document, err = document(name)
		case managed:
			r.Document, err = changesOf(name)
		}
		if r.Document == nil {
			r.Tunnel = id
		}
		return r, err
	}
}

// doctor checks what is chosen.
func (p *diagnosisPage) doctor() {
	request := p.request()
	p.run(func(ctx context.Context, api *localapi.Client) ([]finding, string, error) {
		ask, err := request()
		if err != nil {
			return nil, "", err
		}
		defer ask.Clear()
		r, err := api.Doctor(ctx, ask)
		if err != nil {
			return nil, "", err
		}
		var found []finding
		for _, c := range r.Checks {
			title := c.Title
			if c.Profile != "" {
				title = c.Profile + ": " + title
			}
			found = append(found, finding{c.Verdict, title, c.Found, c.Advice})
		}
		return found, "", nil
	})
}

// report writes a report to give to others: the checks, versions, status, log, routes.
// There is no secret in it.
func (p *diagnosisPage) report() {
	anonymous := widget.NewCheck(lang.L("Mask public addresses and the names of hosts and users"), nil)
	anonymous.Checked = true
	box := container.NewVBox(wrapped(lang.L("The report has the checks, versions, states, the last lines of the log, routes and name servers. There is no secret in it. Look through it before you give it away.")), anonymous)
	p.ui.decide(lang.L("Report for others"), lang.L("Continue"), fyne.NewSize(460, 0), box, func(yes bool) {
		if !yes {
			return
		}
		request, masked := p.request(), anonymous.Checked
		p.run(func(ctx context.Context, api *localapi.Client) ([]finding, string, error) {
			ask, err := request()
			if err != nil {
				return nil, "", err
			}
			defer ask.Clear()
			ask.Bundle, ask.Anonymous = true, masked
			r, err := api.Doctor(ctx, ask)
			if err != nil {
				return nil, "", err
			}
			var b strings.Builder
			for _, s := range r.Sections {
				fmt.Fprintf(&b, "==== %s\n%s\n", s.Name, strings.TrimRight(s.Text, "\n"))
			}
			fyne.Do(func() { p.ui.saveText("postern-report.txt", b.String()) })
			return []finding{{localapi.VerdictOK, lang.L("Report for others"), lang.L("It is made, and waits for you to choose where it is saved."), ""}}, "", nil
		})
	})
}

// probe asks a gateway.
func (p *diagnosisPage) probe() {
	request := localapi.ProbeRequest{Host: strings.TrimSpace(p.host.Text), Identity: strings.TrimSpace(p.identity.Text)}
	if request.Host == "" {
		p.ui.window.Canvas().Focus(p.host)
		return
	}
	p.run(func(ctx context.Context, api *localapi.Client) ([]finding, string, error) {
		r, err := api.Probe(ctx, request)
		if err != nil {
			return nil, "", err
		}
		fyne.Do(func() { p.table = proposalTable(r) })
		return probeFindings(r), r.Profile, nil
	})
}

// probeFindings are a report's lines.
func probeFindings(r *localapi.ProbeReport) (found []finding) {
	var ports []string
	answers := false
	for _, q := range r.Ports {
		ports = append(ports, fmt.Sprintf("UDP %d: %s", q.Port, answerWords(q.Answer)))
		answers = answers || q.Answer == "answers"
	}
	verdict := localapi.VerdictOK
	if !answers {
		verdict = localapi.VerdictFail
	}
	found = append(found, finding{verdict, r.Host + " (" + r.Address + ")", strings.Join(ports, ", "), ""})
	var vendors []string
	for _, v := range r.Vendors {
		if v.Name != "" {
			vendors = append(vendors, v.Name)
		}
	}
	if len(vendors) > 0 {
		found = append(found, finding{"", lang.L("It calls itself"), strings.Join(vendors, ", "), ""})
	}
	for _, n := range r.Notes {
		found = append(found, finding{localapi.VerdictWarn, lang.L("Note"), n, ""})
	}
	return found
}

// answerWords is an answer of a port or mode in a person's words.
func answerWords(answer string) string {
	switch answer {
	case "answers":
		return lang.L("answers")
	case "accepts":
		return lang.L("accepts")
	case "refuses":
		return lang.L("refuses")
	case "silent":
		return lang.L("silent")
	case "closed":
		return lang.L("closed")
	case "not asked":
		return lang.L("not asked")
	}
	return answer
}

// proposalTable is what a gateway takes in each mode, a line each; nil: it takes nothing.
func proposalTable(r *localapi.ProbeReport) (rows [][]string) {
	mode := func(name string, m *localapi.ProbeMode) {
		if m == nil {
			return
		}
		if len(m.Accepted) == 0 {
			rows = append(rows, []string{name, answerWords(m.Answer), "", strings.Join(m.Refusals, ", ")})
		}
		for _, a := range m.Accepted {
			lives := ""
			if a.Lifetime > 0 {
				lives = a.Lifetime.String()
			}
			rows = append(rows, []string{name, a.Proposal, lives, strings.Join(a.Weak, " ")})
			name = ""
		}
	}
	mode("Main Mode", &r.MainMode)
	mode("Aggressive Mode", r.AggressiveMode)
	return append([][]string{{lang.L("Mode"), lang.L("Takes"), lang.L("Lifetime"), lang.L("Weak")}}, rows...)
}
