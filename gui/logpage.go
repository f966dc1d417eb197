package gui

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"postern/client/localapi"
)

// maxLines is how many lines of the log the window keeps. Chosen here.
const maxLines = 2000

// levels are those of the log, the least first.
var levels = []string{"debug", "info", "warn", "error"}

// logPage shows the daemon's log while it is looked at.
type logPage struct {
	ui     *UI
	box    *fyne.Container
	search *widget.Entry
	level  *widget.Select
	list   *widget.List
	all    []localapi.LogLine
	shown  []string
	stop   context.CancelFunc // nil: nobody looks
}

func newLogPage(u *UI) *logPage {
	p := &logPage{ui: u, search: widget.NewEntry()}
	p.search.SetPlaceHolder(lang.L("Filter"))
	p.search.OnChanged = func(string) { p.filter() }
	p.level = widget.NewSelect([]string{lang.L("Everything"), lang.L("The story"), lang.L("Warnings"), lang.L("Errors")}, func(string) { p.filter() })
	p.list = widget.NewList(func() int { return len(p.shown) },
		func() fyne.CanvasObject {
			l := widget.NewLabelWithStyle("", fyne.TextAlignLeading, fyne.TextStyle{Monospace: true})
			l.SizeName, l.Truncation, l.Selectable = theme.SizeNameCaptionText, fyne.TextTruncateEllipsis, true
			return l
		},
		func(i widget.ListItemID, o fyne.CanvasObject) { setText(o.(*widget.Label), p.shown[i]) })
	p.level.SetSelectedIndex(1)
	copied := button(lang.L("Copy"), theme.ContentCopyIcon(), func() { u.app.Clipboard().SetContent(strings.Join(p.shown, "\n")) })
	save := button(lang.L("Save…"), theme.DocumentSaveIcon(), func() { u.saveText("postern.log", strings.Join(p.shown, "\n")+"\n") })
	empty := button(lang.L("Clear"), theme.ContentClearIcon(), func() { p.all = nil; p.filter() })
	p.box = container.NewBorder(container.NewBorder(nil, nil, p.level, container.NewHBox(copied, save, empty), p.search), nil, nil, nil, p.list)
	return p
}

// follow reads the log from its beginning, and what is added to it.
func (p *logPage) follow() {
	p.leave()
	ctx, stop := context.WithCancel(p.ui.ctx)
	p.stop, p.all = stop, nil
	p.filter()
	api := p.ui.api
	go func() {
		for l, err := range api.Log(ctx, localapi.LogRequest{Follow: true}) {
			if err != nil {
				return // the notice above says so
			}
			fyne.Do(func() {
				if ctx.Err() == nil {
					p.add(l)
				}
			})
		}
	}()
}

// leave reads no more.
func (p *logPage) leave() {
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
}

func (p *logPage) add(l localapi.LogLine) {
	p.all = append(p.all, l)
	if len(p.all) > maxLines {
		p.all = slices.Delete(p.all, 0, len(p.all)-maxLines)
	}
	if p.wanted(l) {
		p.shown = append(p.shown, lineText(l))
		if len(p.shown) > maxLines {
			p.shown = slices.Delete(p.shown, 0, len(p.shown)-maxLines)
		}
		p.list.Refresh()
		p.list.ScrollToBottom()
	}
}

// filter shows the lines that are wanted.
func (p *logPage) filter() {
	p.shown = nil
	for _, l := range p.all {
		if p.wanted(l) {
			p.shown = append(p.shown, lineText(l))
		}
	}
	if p.list != nil {
		p.list.Refresh()
	}
}

func (p *logPage) wanted(l localapi.LogLine) bool {
	return slices.Index(levels, l.Level) >= p.level.SelectedIndex() &&
		strings.Contains(strings.ToLower(lineText(l)), strings.ToLower(strings.TrimSpace(p.search.Text)))
}

// lineText is a line of the log as it is shown.
func lineText(l localapi.LogLine) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %-5s ", l.Time.Local().Format("15:04:05"), l.Level)
	if l.Tunnel != "" {
		b.WriteString(l.Tunnel + ": ")
	}
	b.WriteString(l.Message)
	for _, k := range slices.Sorted(maps.Keys(l.Attrs)) {
		fmt.Fprintf(&b, " %s=%s", k, l.Attrs[k])
	}
	return b.String()
}
