package gui

import (
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"postern/client/localapi"
)

// facts are the lines about a connection that is up. Each has its place, whether there is
// something to say or not, so that nothing jumps.
type facts struct {
	box    *fyne.Container
	values map[string]*widget.Label
	names  []*widget.Label
}

// width is how much the longest name takes, in whatever language and size.
func (f *facts) width() float32 {
	w := float32(170)
	for _, n := range f.names {
		w = max(w, n.MinSize().Width)
	}
	return w
}

// factNames are the lines, in order.
func factNames() [][2]string {
	return [][2]string{
		{"since", lang.L("Connected for")},
		{"address", lang.L("Address inside")},
		{"gateway", lang.L("Gateway")},
		{"networks", lang.L("In the tunnel")},
		{"exclude", lang.L("Outside the tunnel")},
		{"dns", lang.L("Name servers")},
		{"domains", lang.L("Domains")},
		{"cipher", lang.L("Protection")},
		{"rekey", lang.L("Next new keys")},
		{"traffic", lang.L("Received and sent")},
		{"rate", lang.L("At the moment")},
	}
}

func newFacts() *facts {
	f := &facts{box: container.New(layout.NewCustomPaddedVBoxLayout(-theme.InnerPadding())), values: make(map[string]*widget.Label)}
	for _, n := range factNames() {
		name := widget.NewLabelWithStyle(n[1], fyne.TextAlignLeading, fyne.TextStyle{Italic: true})
		value := widget.NewLabel("–")
		value.Truncation, value.Selectable = fyne.TextTruncateEllipsis, true
		f.values[n[0]] = value
		f.names = append(f.names, name)
		f.box.Add(container.New(columns{f}, name, value))
	}
	return f
}

// columns are a name, as wide as the longest one, and a value.
type columns struct{ *facts }

// MinSize implements fyne.Layout.
func (c columns) MinSize(o []fyne.CanvasObject) fyne.Size {
	name, value := o[0].MinSize(), o[1].MinSize()
	return fyne.NewSize(c.width()+value.Width, max(name.Height, value.Height))
}

// Layout implements fyne.Layout.
func (c columns) Layout(o []fyne.CanvasObject, s fyne.Size) {
	o[0].Move(fyne.NewPos(0, 0))
	o[0].Resize(fyne.NewSize(c.width(), s.Height))
	o[1].Move(fyne.NewPos(c.width(), 0))
	o[1].Resize(fyne.NewSize(s.Width-c.width(), s.Height))
}

// show shows what is known of a connection now; in and out are octets a second.
func (f *facts) show(s localapi.Status, now time.Time, in, out float64) {
	set := func(name, text string) {
		if text == "" {
			text = "–"
		}
		setText(f.values[name], text)
	}
	t := s.Tunnel
	if t == nil {
		t = &localapi.TunnelStatus{}
	} else {
		set("since", span(now.Sub(t.Since)))
		set("address", t.Address.String())
	}
	if g := s.Gateway; g != nil {
		gateway := g.Name
		if a := g.Address.Addr().String(); gateway != a && !strings.HasPrefix(gateway, a+":") {
			gateway += " (" + a + ")"
		}
		set("gateway", gateway)
	}
	set("networks", networks(t.Networks))
	set("exclude", list(t.Exclude))
	set("dns", list(t.DNS))
	set("domains", strings.Join(t.Domains, ", "))
	set("cipher", protection(s, now))
	set("rekey", nextRekey(s, now))
	if s.Traffic != nil {
		set("traffic", octets(s.Traffic.In.Octets)+", "+octets(s.Traffic.Out.Octets))
	}
	set("rate", rate(in)+", "+rate(out))
}

// protection is the newest SA's suite in plain words, where it travels, and its age.
func protection(s localapi.Status, now time.Time) string {
	if len(s.SAs) == 0 {
		return ""
	}
	newest := s.SAs[len(s.SAs)-1]
	words := cipher(newest.Suite)
	if s.Tunnel != nil && s.Tunnel.Encapsulation == "udp" {
		words += lang.L(" (in UDP)")
	}
	return words + lang.L(", keys {{.Span}} old", map[string]any{"Span": span(now.Sub(newest.Since))})
}

// nextRekey is when the next keys are due: the earliest of the SAs in use.
func nextRekey(s localapi.Status, now time.Time) string {
	var next time.Time
	for _, sa := range s.SAs {
		if !sa.Rekey.IsZero() && sa.Rekey.After(now) && (next.IsZero() || sa.Rekey.Before(next)) {
			next = sa.Rekey
		}
	}
	if next.IsZero() {
		return ""
	}
	return lang.L("in {{.Span}}", map[string]any{"Span": span(next.Sub(now))})
}
