package gui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"postern/client/localapi"
)

// proxyLine says how programs come into a tunnel that has no device.
type proxyLine struct {
	box   *fyne.Container
	text  *widget.Label
	proxy string
}

func newProxyLine(u *UI) *proxyLine {
	p := &proxyLine{text: widget.NewLabel("")}
	p.text.Truncation = fyne.TextTruncateEllipsis
	copied := button(lang.L("Copy"), theme.ContentCopyIcon(), func() { u.app.Clipboard().SetContent(p.proxy) })
	page := button(lang.L("Open a page…"), theme.MailForwardIcon(), func() { u.askPage() })
	p.box = container.NewBorder(nil, nil, nil, container.NewHBox(copied, page), p.text)
	return p
}

func (p *proxyLine) show(t *localapi.TunnelStatus) {
	setHidden(p.box, t.Proxy == "")
	p.proxy = t.Proxy
	setText(p.text, lang.L("Your programs' proxy: {{.Proxy}}", map[string]any{"Proxy": t.Proxy}))
}
