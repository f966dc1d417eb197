package gui

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// graphSeconds is how much of the past the graph shows.
const graphSeconds = 120

// graph shows what went through the tunnel in the last two minutes: received above the
// middle line, sent below it, each on the scale of the greatest value shown.
type graph struct {
	widget.BaseWidget
	in, out [graphSeconds]float64 // octets a second, the latest last
}

func newGraph() *graph {
	g := &graph{}
	g.ExtendBaseWidget(g)
	return g
}

// add shows another second.
func (g *graph) add(in, out float64) {
	copy(g.in[:], g.in[1:])
	copy(g.out[:], g.out[1:])
	still := in == 0 && out == 0 && g.top() == 0
	g.in[graphSeconds-1], g.out[graphSeconds-1] = in, out
	if !still { // a flat line needs no new picture
		g.Refresh()
	}
}

// clear forgets the past.
func (g *graph) clear() {
	if g.top() == 0 {
		return
	}
	g.in, g.out = [graphSeconds]float64{}, [graphSeconds]float64{}
	g.Refresh()
}

func (g *graph) top() (top float64) {
	for i := range g.in {
		top = max(top, g.in[i], g.out[i])
	}
	return top
}

// CreateRenderer implements fyne.Widget.
func (g *graph) CreateRenderer() fyne.WidgetRenderer {
	r := &graphRenderer{graph: g, middle: canvas.NewLine(color.Transparent), top: canvas.NewText("", color.Transparent)}
	r.objects = []fyne.CanvasObject{r.middle, r.top}
	for i := range r.in {
		r.in[i], r.out[i] = canvas.NewLine(color.Transparent), canvas.NewLine(color.Transparent)
		r.objects = append(r.objects, r.in[i], r.out[i])
	}
	r.Refresh()
	return r
}

type graphRenderer struct {
	graph   *graph
	middle  *canvas.Line
	top     *canvas.Text // the scale
	in, out [graphSeconds]*canvas.Line
	objects []fyne.CanvasObject
}

func (r *graphRenderer) Destroy()                     {}
func (r *graphRenderer) MinSize() fyne.Size           { return fyne.NewSize(graphSeconds, 72) }
func (r *graphRenderer) Objects() []fyne.CanvasObject { return r.objects }

func (r *graphRenderer) Layout(size fyne.Size) {
	step, half := size.Width/graphSeconds, size.Height/2
	r.middle.Position1, r.middle.Position2 = fyne.NewPos(0, half), fyne.NewPos(size.Width, half)
	r.top.Move(fyne.NewPos(0, 0))
	top := max(r.graph.top(), 1)
	for i := range r.in {
		x := (float32(i) + 0.5) * step
		bar(r.in[i], x, half, -half*float32(r.graph.in[i]/top), step)
		bar(r.out[i], x, half, half*float32(r.graph.out[i]/top), step)
	}
}

// bar is a line from the middle up or down.
func bar(l *canvas.Line, x, from, length, step float32) {
	l.Position1, l.Position2 = fyne.NewPos(x, from), fyne.NewPos(x, from+length)
	l.StrokeWidth = max(step-0.5, 1)
	l.Hidden = length == 0
}

func (r *graphRenderer) Refresh() {
	r.middle.StrokeColor, r.middle.StrokeWidth = theme.Color(theme.ColorNameSeparator), 1
	r.top.Color, r.top.TextSize = theme.Color(theme.ColorNamePlaceHolder), theme.CaptionTextSize()
	r.top.Text = ""
	if top := r.graph.top(); top > 0 {
		r.top.Text = rate(top)
	}
	for i := range r.in {
		r.in[i].StrokeColor = theme.Color(theme.ColorNamePrimary)
		r.out[i].StrokeColor = theme.Color(theme.ColorNameSuccess)
	}
	r.Layout(r.graph.Size())
	canvas.Refresh(r.graph)
}
