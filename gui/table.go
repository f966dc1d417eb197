package gui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/widget"
)

// newTable shows rows of texts, of which the first are the columns' titles. The last
// column has the room that the others leave.
func newTable(rows [][]string) fyne.CanvasObject {
	box := container.New(&tableLayout{columns: len(rows[0])})
	for i, row := range rows {
		for j, text := range row {
			cell := widget.NewLabelWithStyle(text, fyne.TextAlignLeading, fyne.TextStyle{Bold: i == 0})
			cell.Selectable = true
			if j == len(row)-1 {
				cell.Wrapping = fyne.TextWrapWord
			}
			box.Add(cell)
		}
	}
	return box
}

// tableLayout lays cells out in columns as wide as their widest cell.
type tableLayout struct{ columns int }

func (t *tableLayout) widths(cells []fyne.CanvasObject, whole float32) []float32 {
	widths := make([]float32, t.columns)
	used := float32(0)
	for j := range t.columns - 1 {
		for i := j; i < len(cells); i += t.columns {
			widths[j] = max(widths[j], cells[i].MinSize().Width)
		}
		used += widths[j]
	}
	widths[t.columns-1] = max(whole-used, 160)
	return widths
}

// MinSize implements fyne.Layout.
func (t *tableLayout) MinSize(cells []fyne.CanvasObject) (size fyne.Size) {
	for _, w := range t.widths(cells, 0) {
		size.Width += w
	}
	for i := 0; i+t.columns <= len(cells); i += t.columns {
		size.Height += t.height(cells[i : i+t.columns])
	}
	return size
}

func (t *tableLayout) height(row []fyne.CanvasObject) (h float32) {
	for _, c := range row {
		h = max(h, c.MinSize().Height)
	}
	return h
}

// Layout implements fyne.Layout.
func (t *tableLayout) Layout(cells []fyne.CanvasObject, size fyne.Size) {
	widths, y := t.widths(cells, size.Width), float32(0)
	for i := 0; i+t.columns <= len(cells); i += t.columns {
		row, x := cells[i:i+t.columns], float32(0)
		for j, c := range row { // first the widths, on which the heights of wrapped texts depend
			c.Resize(fyne.NewSize(widths[j], c.MinSize().Height))
		}
		h := t.height(row)
		for j, c := range row {
			c.Move(fyne.NewPos(x, y))
			c.Resize(fyne.NewSize(widths[j], h))
			x += widths[j]
		}
		y += h
	}
}
