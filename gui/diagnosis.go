package gui

import (
	"context"
	"fmt"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"postern/client/localapi"
)

// diagnosisPage asks what a gateway answers to, and whether all is well here.
type diagnosisPage struct {
	ui       *UI
	box      *fyne.Container
	host     *widget.Entry
	identity *widget.Entry
	result   *fyne.Container
	buttons  []*widget.Button
	busy     *widget.ProgressBarInfinite
	text     string // the result, to be copied
}

func newDiagnosisPage(u *UI) *diagnosisPage {
	p := &diagnosisPage{ui: u, host: widget.NewEntry(), identity: widget.NewEntry(), result: container.NewVBox(), busy: widget.NewProgressBarInfinite()}
	p.host.SetPlaceHolder(lang.L("Gateway: a name or address"))
	p.identity.SetPlaceHolder(lang.L("Group, if you know it"))
	p.busy.Stop()
	p.busy.Hide()
	probe := button(lang.L("Ask the gateway"), theme.SearchIcon(), p.probe)
	doctor := button(lang.L("Check this machine"), theme.ConfirmIcon(), p.doctor)
	copied := button(lang.L("Copy"), theme.ContentCopyIcon(), func() { u.app.Clipboard().SetContent(p.text) })
	p.buttons = []*widget.Button{probe, doctor}
	p.host.OnSubmitted = func(string) { p.probe() }
	p.identity.OnSubmitted = p.host.OnSubmitted
	top := container.NewVBox(
		container.NewBorder(nil, nil, nil, probe, container.NewGridWithColumns(2, p.host, p.identity)),
		container.NewHBox(doctor, layout.NewSpacer(), copied), p.busy)
	p.box = container.NewBorder(top, nil, nil, nil, container.NewVScroll(p.result))
	return p
}

// run makes a long call and shows what it returns.
func (p *diagnosisPage) run(f func(context.Context, *localapi.Client) ([]finding, string, error)) {
	for _, b := range p.buttons {
		b.Disable()
	}
	p.busy.Show()
	p.busy.Start()
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
			advice := widget.NewLabel("→ " + f.advice)
			advice.Wrapping, advice.Selectable, advice.Importance = fyne.TextWrapWord, true, widget.HighImportance
			rows.Add(advice)
			p.text += "        → " + f.advice + "\n"
		}
		p.result.Add(container.NewBorder(nil, nil, container.NewVBox(container.NewPadded(widget.NewIcon(verdictIcon(f.verdict)))), nil, rows))
	}
	if more != "" {
		lines := widget.NewLabelWithStyle(more, fyne.TextAlignLeading, fyne.TextStyle{Monospace: true})
		lines.Selectable = true
		p.result.Add(widget.NewLabelWithStyle(lang.L("Lines for a profile"), fyne.TextAlignLeading, fyne.TextStyle{Bold: true}))
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

// doctor checks this machine.
func (p *diagnosisPage) doctor() {
	p.run(func(ctx context.Context, api *localapi.Client) ([]finding, string, error) {
		r, err := api.Doctor(ctx, localapi.DoctorRequest{})
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
		return probeFindings(r), r.Profile, nil
	})
}

// probeFindings are a report's lines.
func probeFindings(r *localapi.ProbeReport) (found []finding) {
	var ports []string
	for _, q := range r.Ports {
		ports = append(ports, fmt.Sprintf("UDP %d: %s", q.Port, q.Answer))
	}
	found = append(found, finding{"", r.Host + " (" + r.Address + ")", strings.Join(ports, ", "), ""})
	mode := func(name string, m *localapi.ProbeMode) {
		if m == nil {
			return
		}
		text := m.Answer
		if len(m.Methods) > 0 {
			text += "; " + strings.Join(m.Methods, ", ")
		}
		found = append(found, finding{"", name, text, ""})
		for _, a := range m.Accepted {
			v := localapi.VerdictOK
			if len(a.Weak) > 0 {
				v = localapi.VerdictWarn
			}
			found = append(found, finding{v, a.Proposal, strings.Join(append([]string{cipher(a.Proposal)}, a.Weak...), " "), ""})
		}
	}
	mode("Main Mode", &r.MainMode)
	mode("Aggressive Mode", r.AggressiveMode)
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
