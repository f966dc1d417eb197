package gui

import (
	"image/color"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// searchFrom is the number of profiles from which on they can be searched.
const searchFrom = 10

// profileList is the list of profiles with their state.
type profileList struct {
	ui     *UI
	box    *fyne.Container
	widget *ringList
	search *widget.Entry
	all    []*entry
	shown  []*entry
}

func newList(u *UI) *profileList {
	l := &profileList{ui: u, search: widget.NewEntry()}
	l.search.SetPlaceHolder(lang.L("Search"))
	l.search.OnChanged = func(string) { l.filter() }
	l.search.Hide()
	l.widget = newRingList(func() int { return len(l.shown) }, func(i widget.ListItemID, o fyne.CanvasObject) { l.shown[i].fill(o) })
	l.widget.OnSelected = func(i widget.ListItemID) { u.choose(l.shown[i].key) }
	l.box = container.NewBorder(l.search, container.NewHBox(u.profileButtons()...), nil, nil, container.NewStack(l.widget, l.widget.ring))
	return l
}

// ringList is a list that shows by a ring that it has the focus: Fyne's own shows nothing
// on the line that is selected.
type ringList struct {
	widget.List
	ring *canvas.Rectangle
}

func newRingList(length func() int, update func(widget.ListItemID, fyne.CanvasObject)) *ringList {
	l := &ringList{ring: canvas.NewRectangle(color.Transparent)}
	l.Length, l.CreateItem, l.UpdateItem = length, newLine, update
	l.ring.StrokeWidth, l.ring.CornerRadius = 2, theme.InputRadiusSize()
	l.ring.Hide()
	l.ExtendBaseWidget(l)
	return l
}

// FocusGained implements fyne.Focusable.
func (l *ringList) FocusGained() {
	l.ring.StrokeColor = theme.Color(theme.ColorNamePrimary)
	l.ring.Show()
	l.List.FocusGained()
}

// FocusLost implements fyne.Focusable.
func (l *ringList) FocusLost() {
	l.ring.Hide()
	l.List.FocusLost()
}

// newLine is an empty line: a symbol, a name, and what is to be said below it.
func newLine() fyne.CanvasObject {
	name := widget.NewLabelWithStyle("", fyne.TextAlignLeading, fyne.TextStyle{Bold: true})
	state := widget.NewLabel("")
	state.SizeName = theme.SizeNameCaptionText
	for _, l := range []*widget.Label{name, state} {
		l.Truncation = fyne.TextTruncateEllipsis
	}
	icon := container.New(layout.NewGridWrapLayout(fyne.NewSquareSize(20)), widget.NewIcon(nil))
	return container.NewBorder(nil, nil, container.NewCenter(container.New(layout.NewCustomPaddedLayout(0, 0, theme.Padding(), 0), icon)), nil, container.New(layout.NewCustomPaddedVBoxLayout(-10), name, state))
}

// fill writes an entry into a line.
func (e *entry) fill(o fyne.CanvasObject) {
	line := o.(*fyne.Container)
	text := line.Objects[0].(*fyne.Container)
	name, state := text.Objects[0].(*widget.Label), text.Objects[1].(*widget.Label)
	icon := line.Objects[1].(*fyne.Container).Objects[0].(*fyne.Container).Objects[0].(*fyne.Container).Objects[0].(*widget.Icon)
	setText(name, e.name)
	setText(state, e.below())
	setIcon(icon, stateIcon(e.state(), e.problem != ""))
}

// below is what stands below an entry's name.
func (e *entry) below() string {
	words := stateWords(e.state())
	switch {
	case e.problem != "":
		words = lang.L("Can't be used")
	case e.owner != "":
		words = e.owner + ": " + words
	case e.demo:
	case e.managed:
		words = lang.L("Managed") + " · " + words
	case !e.own:
		words = lang.L("For everybody here") + " · " + words
	}
	return words
}

// show shows all entries.
func (l *profileList) show(all []*entry, selected string) {
	l.all = all
	setHidden(l.search, len(all) < searchFrom)
	l.filter()
	for i, e := range l.shown {
		if e.key == selected {
			l.widget.Select(i)
		}
	}
}

// filter shows those that are searched for.
func (l *profileList) filter() {
	text := strings.ToLower(strings.TrimSpace(l.search.Text))
	var shown []*entry
	for _, e := range l.all {
		if !l.search.Visible() || strings.Contains(strings.ToLower(e.name+" "+e.gateway), text) {
			shown = append(shown, e)
		}
	}
	same := len(shown) == len(l.shown)
	for i := 0; same && i < len(shown); i++ {
		a, b := shown[i], l.shown[i]
		same = a.key == b.key && a.below() == b.below()
	}
	l.shown = shown
	if !same {
		l.widget.UnselectAll()
		l.widget.Refresh()
	}
}
