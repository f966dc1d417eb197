package gui

import (
	"fmt"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/widget"

	"postern/client/localapi"
)

// detail is a line of what only some people want to know of a connection.
type detail struct{ name, value string }

// details are all that the snapshot says of a connection beside the facts on its page.
func details(s localapi.Status) (all []detail) {
	add := func(name, value string) {
		if value != "" && value != "0" {
			all = append(all, detail{name, value})
		}
	}
	day := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Local().Format(time.DateTime)
	}
	if i := s.IKE; i != nil {
		add(lang.L("Phase 1"), i.Mode+", "+cipher(i.Proposal))
		add(lang.L("Authentication"), authWords(i.Authentication))
		add(lang.L("It calls itself"), i.Peer)
		add(lang.L("Maker"), strings.Join(i.Vendors, ", "))
		add(lang.L("Behind a NAT"), natWords(i.NAT))
		add(lang.L("Phase 1 since"), day(i.Since))
		add(lang.L("Phase 1 until"), day(i.Expires))
		if c := i.Certificate; c != nil {
			add(lang.L("Gateway's certificate"), c.Subject+"\n"+c.Fingerprint+"\n"+day(c.NotBefore)+" – "+day(c.NotAfter))
		}
	}
	for _, sa := range s.SAs {
		add(lang.L("Phase 2"), fmt.Sprintf("%s\n%s – %s\nSPI %s, %s", cipher(sa.Suite), sa.Local, sa.Remote, sa.Inbound, sa.Outbound))
		add(lang.L("Phase 2 since"), day(sa.Since))
		add(lang.L("Phase 2 until"), day(sa.Expires))
	}
	if t := s.Tunnel; t != nil {
		add(lang.L("Interface"), t.Interface)
		add(lang.L("Packet size"), fmt.Sprint(t.MTU))
		add(lang.L("Why these networks"), t.Rule)
		add(lang.L("Name servers set by"), t.Resolver)
		add(lang.L("NetBIOS name servers"), list(t.NBNS))
	}
	if t := s.Traffic; t != nil {
		add(lang.L("Packets received and sent"), fmt.Sprintf("%d, %d", t.In.Packets, t.Out.Packets))
		for reason, n := range t.In.Dropped {
			add(lang.L("Dropped"), fmt.Sprintf("%s: %d", reason, n))
		}
	}
	return all
}

// authWords is a phase 1 authentication method in words, with its name.
func authWords(method string) string {
	words := ""
	switch {
	case strings.Contains(method, "PreShared"), strings.Contains(method, "PSK"):
		words = lang.L("a key that both ends share")
	case strings.Contains(method, "Hybrid"):
		words = lang.L("a certificate of the gateway's")
	case method != "":
		words = lang.L("certificates or keys of both ends")
	}
	if strings.HasPrefix(method, "XAUTH") || strings.HasPrefix(method, "Hybrid") {
		words += lang.L(", and a user")
	}
	return words + " (" + method + ")"
}

// natWords says who is behind a NAT.
func natWords(nat string) string {
	switch nat {
	case "us":
		return lang.L("this machine")
	case "gateway":
		return lang.L("the gateway")
	case "both":
		return lang.L("both ends")
	}
	return lang.L("nobody")
}

// readDetails shows the details of the selected connection, to be copied too.
func (c *connection) readDetails() {
	e := c.ui.entry()
	if e == nil || e.tunnel == nil {
		return
	}
	rows := container.New(layout.NewFormLayout())
	var text strings.Builder
	for _, d := range details(e.tunnel.Status) {
		value := wrapped(d.value)
		rows.Add(widget.NewLabelWithStyle(d.name, fyne.TextAlignLeading, fyne.TextStyle{Italic: true}))
		rows.Add(value)
		text.WriteString(d.name + ": " + strings.ReplaceAll(d.value, "\n", "; ") + "\n")
	}
	c.ui.offer(e.name, fyne.NewSize(640, 520), container.NewVScroll(rows), 1,
		choice{lang.L("Copy"), func() { c.ui.app.Clipboard().SetContent(text.String()) }}, choice{lang.L("Close"), nil})
}
