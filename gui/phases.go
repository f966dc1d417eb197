package gui

import (
	"slices"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"postern/client/localapi"
)

// steps are what a connection passes through, in order.
var steps = []localapi.State{localapi.Resolving, localapi.Connecting, localapi.Authenticating, localapi.Configuring}

// stepName is a step's name.
func stepName(s localapi.State) string {
	switch s {
	case localapi.Resolving:
		return lang.L("Find the gateway")
	case localapi.Connecting:
		return lang.L("Negotiate keys (phase 1)")
	case localapi.Authenticating:
		return lang.L("Log in")
	}
	return lang.L("Open the tunnel (phase 2)")
}

// timeline notes when a connection came to each step, as its snapshots pass.
type timeline struct {
	began [4]time.Time // of each step; zero: not reached, or passed between two snapshots
	on    bool         // there is something to show
	last  int          // the step it is at
	ended time.Time    // when it was up or failed
	fail  bool
}

// note takes the next status. A new attempt begins a new line.
func (l *timeline) note(s localapi.Status) {
	switch s.State {
	case localapi.Up, localapi.Rekeying, localapi.Failed:
		if l.ended.IsZero() {
			l.ended, l.fail = s.Since, s.State == localapi.Failed
		}
		return
	case localapi.Down, localapi.Reconnecting:
		*l = timeline{}
		return
	case localapi.WaitingForInput:
		if !l.on || !l.ended.IsZero() {
			*l = timeline{on: true, last: 2}
			l.began[2] = s.Since
		}
		return // belongs to the step that asks
	}
	i := slices.Index(steps, s.State)
	if i < 0 {
		return
	}
	if i == 0 && l.last > 0 || !l.ended.IsZero() {
		*l = timeline{}
	}
	l.on, l.last = true, i
	if l.began[i].IsZero() {
		l.began[i] = s.Since
	}
}

// took is how long a step lasted until now; ok: that is known.
func (l *timeline) took(i int, now time.Time) (d time.Duration, ok bool) {
	if l.began[i].IsZero() {
		return 0, false
	}
	end := now
	if !l.ended.IsZero() {
		end = l.ended
	}
	for j := i + 1; j < len(l.began); j++ {
		if !l.began[j].IsZero() {
			end = l.began[j]
			break
		}
	}
	return max(end.Sub(l.began[i]), 0), true
}

// phases shows a timeline.
type phases struct {
	box   *fyne.Container
	icons [4]*widget.Icon
	names [4]*widget.Label
	times [4]*widget.Label
}

func newPhases() *phases {
	p := &phases{box: container.NewVBox()}
	for i, s := range steps {
		p.icons[i] = widget.NewIcon(nil)
		p.names[i] = widget.NewLabel(stepName(s))
		p.times[i] = widget.NewLabelWithStyle("", fyne.TextAlignTrailing, fyne.TextStyle{Monospace: true})
		p.box.Add(container.NewBorder(nil, nil, container.NewCenter(container.NewGridWrap(fyne.NewSquareSize(24), p.icons[i])), p.times[i], p.names[i]))
	}
	return p
}

// show shows a timeline as it is now.
func (p *phases) show(l *timeline, now time.Time) {
	for i := range steps {
		d, timed := l.took(i, now)
		icon := theme.RadioButtonIcon()
		switch {
		case l.fail && i == l.last:
			icon = theme.ErrorIcon()
		case i < l.last || i == l.last && !l.ended.IsZero():
			icon = theme.ConfirmIcon()
		case i == l.last:
			icon = theme.MediaPlayIcon()
		}
		setIcon(p.icons[i], icon)
		text := ""
		if timed {
			text = seconds(d)
		}
		setText(p.times[i], text)
	}
}

// seconds is a short time.
func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return lang.L("{{.Seconds}} s", map[string]any{"Seconds": d.Round(100 * time.Millisecond).Seconds()})
	}
	return lang.L("{{.Seconds}} s", map[string]any{"Seconds": int(d.Seconds())})
}

// setText changes a label, if it says something else: what doesn't change isn't painted.
func setText(l *widget.Label, text string) {
	if l.Text != text {
		l.SetText(text)
	}
}

func setIcon(i *widget.Icon, r fyne.Resource) {
	if i.Resource == nil || i.Resource.Name() != r.Name() {
		i.SetResource(r)
	}
}

// setHidden shows or hides, if that is a change.
func setHidden(o fyne.CanvasObject, hidden bool) {
	switch {
	case hidden && o.Visible():
		o.Hide()
	case !hidden && !o.Visible():
		o.Show()
	}
}
