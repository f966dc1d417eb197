//go:build linux

package main

import (
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// The picture's measures, in pixels.
const (
	rowHeight  = 26
	barHeight  = 14
	labelWidth = 130
	panelWidth = 300
	valueWidth = 70 // behind a bar, for its figure
	top        = 64
)

// picture is a chart of all candidates as SVG: bars of rate and CPU, a line from least to most. It has no background, and
// its colours are legible on light and dark ones.
func (s *session) picture() string {
	var rows []described
	for _, c := range s.Candidates {
		if s.over(c.Name, rate).N > 0 {
			rows = append(rows, c)
		}
	}
	slices.SortStableFunc(rows, func(a, b described) int {
		return cmp.Compare(s.over(b.Name, rate).Median, s.over(a.Name, rate).Median)
	})
	width, height := labelWidth+2*(panelWidth+valueWidth), top+len(rows)*rowHeight+30
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" font-family="system-ui, sans-serif" font-size="12">
<title>Rate and CPU of tunnels between two namespaces</title>
<style>
text { fill: #24292f } .soft { fill: #57606a } .ours { fill: #2f7fd0 } .other { fill: #8c959f } .spread { stroke: #24292f }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .soft { fill: #9aa4af } .ours { fill: #4c9be8 } .spread { stroke: #e6edf3 } }
</style>
`, width, height, width, height)
	text(&b, 8, 20, "", "One TCP flow through a tunnel, both ends on one machine")
	text(&b, labelWidth, 46, "soft", "Gbit/s")
	text(&b, labelWidth+panelWidth+valueWidth, 46, "soft", "CPU seconds a GB, both ends")
	for i, c := range rows {
		y := top + i*rowHeight
		text(&b, 8, y+barHeight-2, "", c.Name)
	}
	s.panel(&b, rows, labelWidth, rate, math.Inf(1))
	s.panel(&b, rows, labelWidth+panelWidth+valueWidth, bothCPU, longestCPU)
	m := s.Machine
	text(&b, 8, height-8, "soft", fmt.Sprintf("%s, %s; %s, %d cores, %s", m.Commit, m.Date, m.CPU, m.Cores, m.Kernel))
	b.WriteString("</svg>\n")
	return b.String()
}

// longestCPU is where bars of CPU end, so that the short ones can be told from each other: the figure behind them says
// how long they would be.
const longestCPU = 30

// panel draws one bar a row; the longest reaches the panel's end, as do those beyond the limit.
func (s *session) panel(b *strings.Builder, rows []described, x int, of func(result) float64, limit float64) {
	longest := 0.0
	for _, c := range rows {
		longest = max(longest, s.over(c.Name, of).Most)
	}
	longest = min(longest, limit)
	if longest == 0 {
		return
	}
	scaled := func(v float64) float64 { return min(1, v/longest) * panelWidth }
	for i, c := range rows {
		p, y := s.over(c.Name, of), top+i*rowHeight
		if p.Median == 0 {
			continue
		}
		class := "other"
		if c.Ours {
			class = "ours"
		}
		fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d"/>`+"\n", class, x, y, scaled(p.Median), barHeight)
		fmt.Fprintf(b, `<line class="spread" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n",
			float64(x)+scaled(p.Least), float64(x)+scaled(p.Most), y+barHeight/2, y+barHeight/2)
		figure := fmt.Sprintf("%.2f", p.Median)
		if p.Median > limit {
			figure = "» " + figure
		}
		text(b, x+int(scaled(p.Most))+6, y+barHeight-2, "soft", figure)
	}
}

func text(b *strings.Builder, x, y int, class, what string) {
	fmt.Fprintf(b, `<text class="%s" x="%d" y="%d">%s</text>`+"\n", class, x, y, html.EscapeString(what))
}
