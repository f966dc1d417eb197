package main

import (
	"fmt"
	"strings"

	"postern/packaging/bench/figures"
	"postern/tun/esp/lanes"
)

// timesOf are the nanoseconds a packet of an operation, by round; nil: it wasn't measured.
func (m *measurement) timesOf(subject, what, by string) []float64 {
	for i, o := range m.operations {
		if o.subject == subject && o.what == what && o.by == by {
			return m.times[i]
		}
	}
	return nil
}

// sum adds times of rounds.
func sum(a, b []float64) []float64 {
	all := make([]float64, min(len(a), len(b)))
	for i := range all {
		all[i] = a[i] + b[i]
	}
	return all
}

// over is how many times as long OpenSSL needs, in the spread of the rounds.
func (m *measurement) over(subject, what, by string) figures.Spread {
	return figures.Ratios(m.timesOf(subject, what, openSSLName), m.timesOf(subject, what, by))
}

// A ratio is a goal and how it is measured. by is a tier.
type ratio struct {
	figures.Goal
	measure func(m *measurement, by string) figures.Spread
	pure    bool // of the tier without assembly
}

func simple(subject, what string) func(*measurement, string) figures.Spread {
	return func(m *measurement, by string) figures.Spread { return m.over(subject, what, by) }
}

// both is of sealing and opening together.
func both(subject string) func(*measurement, string) figures.Spread {
	return func(m *measurement, by string) figures.Spread {
		of := func(by string) []float64 { return sum(m.timesOf(subject, "seal", by), m.timesOf(subject, "open", by)) }
		return figures.Ratios(of(openSSLName), of(by))
	}
}

var ratios = []ratio{
	{figures.Goal{Name: "seal.aes-sha1/openssl", Floor: 4, Goal: 6}, simple("aes128-sha1", "seal"), false},
	{figures.Goal{Name: "seal.3des/openssl", Floor: 9, Goal: 20}, simple("3des-sha1", "seal"), false},
	{figures.Goal{Name: "open.3des/openssl", Floor: 9, Goal: 35}, simple("3des-sha1", "open"), false},
	{figures.Goal{Name: "hmac-md5/openssl", Floor: 6, Goal: 6.5}, simple("hmac-MD5", "sum"), false},
	{figures.Goal{Name: "gcm/openssl", Floor: 1.4, Goal: 1.5}, both("aes128gcm16"), false},
	{figures.Goal{Name: "purego.3des/openssl", Floor: 2.5, Goal: 5}, both("3des-sha1"), true},
}

func (r ratio) spread(m *measurement) figures.Spread {
	if r.pure {
		return r.measure(m, lanes.Pure.String())
	}
	return r.measure(m, lanes.Best().String())
}

func (m *measurement) mergeRatios(path string) error {
	var names []string
	measured := map[string]figures.Spread{}
	for _, r := range ratios {
		names = append(names, r.Name)
		measured[r.Name] = r.spread(m)
	}
	return figures.Merge(path, names, measured)
}

// tables are all tables, in Markdown.
func (m *measurement) tables() string {
	var b strings.Builder
	b.WriteString("\nNanoseconds a packet on one core, and in brackets how many times as long OpenSSL needs, median of the rounds; " +
		fmt.Sprintf("%d packets a batch, %d octets encrypted in each.\n\n", batch, encrypted) +
		"| | | OpenSSL |")
	for _, t := range tiers() {
		fmt.Fprintf(&b, " %v |", t)
	}
	b.WriteString("\n|---|---|---|" + strings.Repeat("---|", len(tiers())) + "\n")
	for i, o := range m.operations {
		if o.by != openSSLName {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %.0f |", o.subject, o.what, figures.Of(m.times[i]).Median)
		for _, t := range tiers() {
			fmt.Fprintf(&b, " %.0f [%.2f] |", figures.Of(m.timesOf(o.subject, o.what, t.String())).Median, m.over(o.subject, o.what, t.String()).Median)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "\nRatios, in tier %v; `purego` is tier pure; `gcm` and `purego.3des` are of sealing and opening together.\n\n", lanes.Best())
	b.WriteString(figures.GoalHead)
	for _, r := range ratios {
		b.WriteString(r.Row(r.spread(m)))
	}
	return b.String()
}
