package gui

import (
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"postern/client/localapi"
)

// notice says above everything that there is no daemon, and below it what the
// demonstration says.
type notice struct {
	ui      *UI
	box     *fyne.Container
	message *widget.Label
	demo    *widget.Button
	hint    *fyne.Container // below everything: what the demonstration says
	said    *widget.Label
}

func newNotice(u *UI) *notice {
	n := &notice{ui: u, message: widget.NewLabel("")}
	n.message.Wrapping, n.message.Selectable, n.message.Importance = fyne.TextWrapWord, true, widget.MediumImportance
	n.demo = button(lang.L("Try the demonstration"), theme.MediaPlayIcon(), u.startDemo)
	sign := widget.NewIcon(theme.NewWarningThemedResource(theme.WarningIcon()))
	n.box = container.NewBorder(nil, widget.NewSeparator(), container.NewCenter(sign), container.NewCenter(n.demo), n.message)
	n.box.Hide()
	n.said = widget.NewLabelWithStyle("", fyne.TextAlignLeading, fyne.TextStyle{Monospace: true})
	n.said.SizeName, n.said.Selectable, n.said.Wrapping = theme.SizeNameCaptionText, true, fyne.TextWrapWord
	n.hint = container.NewVBox(widget.NewSeparator(), n.said)
	n.hint.Hide()
	return n
}

func (n *notice) show() {
	text := ""
	if r := n.ui.offline; r != nil {
		text = r.Message
		if r.Try != "" {
			text += "\n" + r.Try
		}
		if start, ok := strings.CutPrefix(r.Try, "Start it with: "); ok && r.Code == localapi.CodeNoService {
			text = lang.L("The service isn't running. Start it with: {{.Command}}", map[string]any{"Command": start})
		}
	}
	n.tellDemo()
	setHidden(n.demo, n.ui.offline == nil)
	setText(n.message, text)
	setHidden(n.box, text == "")
}

// tellDemo shows what the demonstration says of the selected profile: what to type.
func (n *notice) tellDemo() {
	text := ""
	if e := n.ui.entry(); e != nil && e.demo {
		text = n.ui.demo.hint(e.name)
	}
	if text != "" {
		text = lang.L("In this demonstration {{.Name}} takes:", map[string]any{"Name": n.ui.entry().name}) + "\n" + text
	}
	setText(n.said, text)
	setHidden(n.hint, text == "")
}
