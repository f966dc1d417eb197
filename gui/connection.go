package gui

import (
	"context"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"postern/client/localapi"
)

// connection is the page of one profile.
type connection struct {
	ui  *UI
	box *fyne.Container

	name, state *widget.Label
	icon        *widget.Icon
	button      *widget.Button
	head        *fyne.Container // state and button
	hint        *fyne.Container // what a person who comes here first should do
	demo        *widget.Button  // there
	overlap     *overlapLine
	phases      *phases
	facts       *facts
	graph       *graph
	graphs      *fyne.Container
	warnings    *widget.Label
	banner      *widget.Button
	proxy       *proxyLine
	failure     *failure
	up          *fyne.Container

	count   count
	in, out float64 // octets a second
}

func newConnection(u *UI) *connection {
	c := &connection{ui: u, phases: newPhases(), facts: newFacts(), graph: newGraph(), failure: newFailure(u), proxy: newProxyLine(u), overlap: newOverlapLine(u)}
	c.name = widget.NewLabelWithStyle("", fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
	c.name.SizeName, c.name.Truncation = theme.SizeNameHeadingText, fyne.TextTruncateEllipsis
	c.state = widget.NewLabel("")
	c.state.Wrapping = fyne.TextWrapWord
	c.icon = widget.NewIcon(stateIcon(localapi.Down, false))
	c.button = widget.NewButton("", c.press)
	c.button.Importance = widget.HighImportance
	c.demo = button(lang.L("Try the demonstration"), theme.MediaPlayIcon(), u.startDemo)
	first := button(lang.L("Import the file that you were given…"), theme.FolderOpenIcon(), u.pickImport)
	first.Importance = widget.HighImportance
	c.hint = container.NewVBox(
		wrapped(lang.L("You have no profile yet. Was a file sent to you, such as .pcf or .mobileconfig? Import it, or drop it on this window. Were you told a gateway, a group and a password? Make a new profile of them.")),
		first, button(lang.L("New profile"), theme.ContentAddIcon(), func() { u.edit(nil, "") }), c.demo)
	c.warnings = widget.NewLabel("")
	c.warnings.Wrapping = fyne.TextWrapWord
	c.banner = button(lang.L("The gateway's message"), theme.MailComposeIcon(), c.readBanner)
	c.graphs = container.NewVBox(widget.NewSeparator(), c.graph)
	more := button(lang.L("Details"), theme.InfoIcon(), c.readDetails)
	c.up = container.NewVBox(c.overlap.box, c.proxy.box, c.facts.box, c.graphs, container.NewHBox(more, c.banner))
	c.head = container.NewVBox(
		container.NewBorder(nil, nil, container.NewCenter(container.NewGridWrap(fyne.NewSquareSize(28), c.icon)), nil, c.state),
		container.New(&minHeight{48}, c.button),
	)
	c.box = container.NewVBox(c.name, c.head, c.hint, c.failure.box, c.phases.box, c.up, c.warnings)
	return c
}

// minHeight gives what it holds a height.
type minHeight struct{ height float32 }

func (m *minHeight) MinSize(o []fyne.CanvasObject) fyne.Size {
	return o[0].MinSize().Max(fyne.NewSize(0, m.height))
}

func (m *minHeight) Layout(o []fyne.CanvasObject, s fyne.Size) {
	o[0].Move(fyne.NewPos(0, 0))
	o[0].Resize(s)
}

// show shows an entry as it is now; nil: there is none.
func (c *connection) show(e *entry, now time.Time) {
	setHidden(c.hint, e != nil)
	setHidden(c.head, e == nil)
	if e == nil {
		setText(c.name, lang.L("Welcome to postern"))
		setHidden(c.demo, c.ui.offline == nil)
		for _, o := range []fyne.CanvasObject{c.phases.box, c.up, c.failure.box, c.warnings} {
			setHidden(o, true)
		}
		return
	}
	status := localapi.Status{Profile: e.name, State: localapi.Down}
	if e.tunnel != nil {
		status = e.tunnel.Status
	}
	setText(c.name, e.name)
	setText(c.state, stateLine(e))
	setIcon(c.icon, stateIcon(status.State, e.problem != ""))
	c.showButton(e)
	connected := status.Tunnel != nil
	setHidden(c.up, !connected)
	line := c.ui.lines[e.id()]
	setHidden(c.phases.box, connected || line == nil || !line.on || status.State == localapi.Down)
	if line != nil {
		c.phases.show(line, now)
	}
	c.failure.show(e)
	c.measure(e, now)
	if connected {
		c.facts.show(status, now, c.in, c.out)
		c.proxy.show(status.Tunnel)
		c.overlap.show(e)
		setHidden(c.banner, status.Tunnel.Banner == "")
		c.showBanner(e)
	}
	text := ""
	for _, w := range status.Warnings {
		if connected && c.overlap.isOverlap(w) {
			continue
		}
		text += "⚠ " + w + "\n"
	}
	setText(c.warnings, text)
	setHidden(c.warnings, text == "")
}

// stateLine is one line about where a connection stands.
func stateLine(e *entry) string {
	if e.state() == localapi.Down && e.gateway != "" {
		words := stateWords(localapi.Down) + " · " + e.gateway
		if !e.last.IsZero() {
			words += " · " + lang.L("last connected {{.When}}", map[string]any{"When": e.last.Local().Format("2006-01-02 15:04")})
		}
		return words
	}
	return stateWords(e.state())
}

func (c *connection) showButton(e *entry) {
	text, importance := lang.L("Connect"), widget.HighImportance
	switch e.state() {
	case localapi.Up, localapi.Rekeying:
		text, importance = lang.L("Disconnect"), widget.MediumImportance
	case localapi.Down, localapi.Failed:
	default:
		text, importance = lang.L("Cancel"), widget.MediumImportance
	}
	if c.button.Text != text || c.button.Importance != importance {
		c.button.Importance = importance
		c.button.SetText(text)
	}
	if off := c.ui.offline != nil || e.problem != "" && !e.busy(); off != c.button.Disabled() {
		if off {
			c.button.Disable()
		} else {
			c.button.Enable()
		}
	}
}

// press is the large button.
func (c *connection) press() {
	e := c.ui.entry()
	switch {
	case e == nil:
	case e.busy():
		c.ui.disconnect(e)
	default:
		c.ui.connect(e)
	}
}

// measure works out what goes through the tunnel, once a second.
func (c *connection) measure(e *entry, now time.Time) {
	if e.tunnel == nil || e.tunnel.Traffic == nil {
		c.count, c.in, c.out = count{}, 0, 0
		return
	}
	t := e.tunnel.Traffic
	latest := count{now, t.In.Octets, t.Out.Octets}
	passed := now.Sub(c.count.at)
	if !c.count.at.IsZero() && passed < 900*time.Millisecond {
		return
	}
	if !c.count.at.IsZero() && latest.in >= c.count.in && latest.out >= c.count.out {
		c.in = float64(latest.in-c.count.in) / passed.Seconds()
		c.out = float64(latest.out-c.count.out) / passed.Seconds()
		c.graph.add(c.in, c.out)
	}
	c.count = latest
}

// showBanner shows the gateway's message, once a connection.
func (c *connection) showBanner(e *entry) {
	text := e.tunnel.Tunnel.Banner
	seen := e.tunnel.Tunnel.Since.String() + text
	if text == "" || c.ui.banners[e.id()] == seen || c.ui.window == nil {
		return
	}
	c.ui.banners[e.id()] = seen
	c.readBanner()
}

func (c *connection) readBanner() {
	e := c.ui.entry()
	if e == nil || e.tunnel == nil || e.tunnel.Tunnel == nil {
		return
	}
	c.ui.offer(lang.L("{{.Name}}: the gateway's message", map[string]any{"Name": e.name}), fyne.NewSize(460, 0), wrapped(e.tunnel.Tunnel.Banner), 1,
		choice{lang.L("Disconnect"), func() { c.ui.disconnect(e) }}, choice{lang.L("Continue"), nil})
}

// connect begins a connection.
func (u *UI) connect(e *entry) {
	own, demo, name := e.own, e.demo, e.name
	u.call(func(ctx context.Context, api *localapi.Client) error {
		request, err := u.person.request(name, own, demo)
		if err != nil {
			return err
		}
		defer forget(request)
		_, err = api.Connect(ctx, *request)
		return err
	})
}

// forget clears what a request has of secrets.
func forget(r *localapi.ConnectRequest) {
	clearAll(r.Secrets)
	if r.Document != nil {
		clearAll(r.Document.Secrets)
		clearAll(r.Document.Files)
	}
}

// disconnect ends one, or an attempt.
func (u *UI) disconnect(e *entry) {
	id := e.tunnel.ID
	u.call(func(ctx context.Context, api *localapi.Client) error {
		return api.Disconnect(ctx, localapi.TunnelRequest{Tunnel: id})
	})
}
