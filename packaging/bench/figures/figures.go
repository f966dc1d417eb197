// Package figures is what the benchmarks have in common: medians with least and most, goals, the file of ratios, and what
// machine it was.
package figures

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
)

// A Spread is what several rounds gave. The zero Spread: there was none.
type Spread struct {
	Median, Least, Most float64
	N                   int
}

// Of is the spread of values, in any order.
func Of(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return Spread{Median: (v[(n-1)/2] + v[n/2]) / 2, Least: v[0], Most: v[n-1], N: n}
}

// Ratios is the spread of a[i]/b[i]. What isn't a positive number is left out.
func Ratios(a, b []float64) Spread {
	var all []float64
	for i := range min(len(a), len(b)) {
		if r := a[i] / b[i]; r > 0 && !math.IsInf(r, 0) {
			all = append(all, r)
		}
	}
	return Of(all)
}

// Text is "median [least–most]", each by the format; of one round the median alone, of none a dash.
func (s Spread) Text(format string) string {
	switch s.N {
	case 0:
		return "–"
	case 1:
		return fmt.Sprintf(format, s.Median)
	}
	return fmt.Sprintf(format+" ["+format+"–"+format+"]", s.Median, s.Least, s.Most)
}

// Short is the median alone, or a dash where nothing was measured.
func (s Spread) Short(format string) string {
	if s.N == 0 || s.Most == 0 {
		return "–"
	}
	return fmt.Sprintf(format, s.Median)
}

// A Goal is a ratio that the project wants to reach.
type Goal struct {
	Name        string
	Floor, Goal float64
	Less        bool // the smaller the better
}

// Verdict says how a ratio stands to its goal.
func (g Goal) Verdict(value float64) string {
	reached := func(mark float64) bool { return value == mark || value > mark != g.Less }
	switch {
	case reached(g.Goal):
		return "goal"
	case reached(g.Floor):
		return "floor"
	}
	return "below the floor"
}

// Row is a row of a table in Markdown: | name | measured | floor | goal | reached |.
func (g Goal) Row(s Spread) string {
	return fmt.Sprintf("| `%s` | %s | %v | %v | %s |\n", g.Name, s.Text("%.2f"), g.Floor, g.Goal, g.Verdict(s.Median))
}

// GoalHead begins the table of these rows.
const GoalHead = "| ratio | measured | floor | goal | reached |\n|---|---|---|---|---|\n"

// Merge writes medians into a JSON file that holds one object of name to number: each of the names is replaced, or
// removed where it wasn't measured; what else the file holds stays.
func Merge(path string, names []string, measured map[string]Spread) error {
	all := map[string]float64{}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, name := range names {
		delete(all, name)
		if s, ok := measured[name]; ok && s.N > 0 {
			all[name] = math.Round(s.Median*1000) / 1000
		}
	}
	return WriteJSON(path, all)
}

// WriteJSON writes a value for people to read too.
func WriteJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
