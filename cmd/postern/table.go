package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// table is text in columns.
type table struct {
	colours palette
	rows    [][]cell
}

// cell is text with a style, "" for none.
type cell struct{ text, style string }

func (t *table) header(titles ...string) {
	var row []cell
	for _, s := range titles {
		row = append(row, cell{s, bold})
	}
	t.rows = append(t.rows, row)
}

// row adds a row of texts and cells.
func (t *table) row(cells ...any) {
	var row []cell
	for _, c := range cells {
		if c, ok := c.(cell); ok {
			row = append(row, c)
			continue
		}
		row = append(row, cell{text: fmt.Sprint(c)})
	}
	t.rows = append(t.rows, row)
}

// String gives the table with two blanks between columns, of which those that have a
// title and nothing else are left out.
func (t *table) String() string {
	var widths []int
	for n, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if n > 0 {
				widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
			}
		}
	}
	for i := range widths {
		if widths[i] > 0 {
			widths[i] = max(widths[i], utf8.RuneCountInString(t.rows[0][i].text))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		pad := 0
		for i, c := range row {
			if widths[i] == 0 {
				continue
			}
			line.WriteString(strings.Repeat(" ", pad) + t.colours.paint(c.style, c.text))
			pad = widths[i] - utf8.RuneCountInString(c.text) + 2
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

// octetsText writes a number of octets for a person.
func octetsText(n uint64) string {
	const units = "KMGTPE"
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/1024, 0
	for f >= 1023.95 && i < len(units)-1 {
		f, i = f/1024, i+1
	}
	return fmt.Sprintf("%.1f %ciB", f, units[i])
}

// span writes how long something takes for a person: two units at most.
func span(d time.Duration) string {
	d = d.Round(time.Second)
	switch days, h, m, s := d/(24*time.Hour), d/time.Hour%24, d/time.Minute%60, d/time.Second%60; {
	case d < 0:
		return "0s"
	case days > 0:
		return fmt.Sprintf("%dd %dh", days, h)
	case h > 0:
		return fmt.Sprintf("%dh %dm", h, m)
	case m > 0:
		return fmt.Sprintf("%dm %ds", m, s)
	default:
		return fmt.Sprintf("%ds", s)
	}
}

// since writes how long ago something was, "" for never.
func since(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return span(now.Sub(t))
}
