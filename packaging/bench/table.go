//go:build linux

package main

import (
	"cmp"
	"fmt"
	"strings"
)

// tables are all tables, in Markdown.
func (s *session) tables() string {
	var b strings.Builder
	m := s.Machine
	rounds := 0
	for _, r := range s.Results {
		rounds = max(rounds, r.Round)
	}
	fmt.Fprintf(&b, "Commit %s, %s; %s, %d cores, %s, %s; tier %s. Rounds: %d. Load average before a candidate %s, steal %s.\n",
		m.Commit, m.Date, m.CPU, m.Cores, m.Kernel, m.Go, cmp.Or(m.Tier, "unknown"), rounds,
		s.over("", func(r result) float64 { return r.Load }).text("%.1f"),
		s.over("", func(r result) float64 { return r.Steal * 100 }).text("%.0f")+" %")
	for _, line := range s.Skipped {
		fmt.Fprintf(&b, "Skipped: %s.\n", line)
	}
	for _, r := range s.Results {
		if r.Error != "" {
			fmt.Fprintf(&b, "Failed: %s in round %d: %s.\n", r.Candidate, r.Round, strings.ReplaceAll(r.Error, "\n", " "))
		}
	}
	s.streamTable(&b)
	s.smallTable(&b)
	s.goalTable(&b)
	return b.String()
}

// over is the spread of a figure over the rounds of one candidate, or of all.
func (s *session) over(candidate string, of func(result) float64) spread {
	var values []float64
	for _, r := range s.Results {
		if r.Error == "" && (candidate == "" || r.Candidate == candidate) {
			values = append(values, of(r))
		}
	}
	return spreadOf(values)
}

// text is "median [least to most]".
func (p spread) text(format string) string {
	if p.N == 0 {
		return "–"
	}
	if p.N == 1 {
		return fmt.Sprintf(format, p.Median)
	}
	return fmt.Sprintf(format+" ["+format+"–"+format+"]", p.Median, p.Least, p.Most)
}

// orDash is the median, or a dash where nothing was measured.
func (p spread) orDash(format string) string {
	if p.N == 0 || p.Most == 0 {
		return "–"
	}
	return fmt.Sprintf(format, p.Median)
}

func (s *session) streamTable(b *strings.Builder) {
	b.WriteString("\n## One TCP flow\n\nMedian [least–most] of the rounds. CPU: seconds of the tunnel's processes per 10^9 octets of payload. " +
		"Batch: packets a read of the client's device, a write of the gateway's. Allocations: of the client and the gateway per 1,000 packets. " +
		"RSS: of the client.\n\n" +
		"| candidate | Gbit/s | CPU client | CPU gateway | batch | allocations | RSS, MiB | |\n|---|---|---|---|---|---|---|---|\n")
	for _, c := range s.Candidates {
		over := func(of func(result) float64) spread { return s.over(c.Name, of) }
		if over(rate).N == 0 {
			continue
		}
		gateway := func(r result) float64 { return bothCPU(r) - clientCPU(r) }
		batch, allocs := "–", "–"
		if client := over(func(r result) float64 { return r.Stream.BatchClient }); client.Median > 0 {
			batch = fmt.Sprintf("%.1f, %.1f", client.Median, over(func(r result) float64 { return r.Stream.BatchGateway }).Median)
			allocs = fmt.Sprintf("%.2f, %.2f", over(func(r result) float64 { return r.Stream.AllocsClient }).Median,
				over(func(r result) float64 { return r.Stream.AllocsGateway }).Median)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", c.Name, over(rate).text("%.2f"),
			over(clientCPU).orDash("%.2f"), over(gateway).orDash("%.2f"), batch, allocs,
			over(func(r result) float64 { return float64(r.RSS) / 1024 }).orDash("%.0f"), c.What)
	}
}

func (s *session) smallTable(b *strings.Builder) {
	b.WriteString("\n## Small packets and pings\n\nUDP as fast as one program sends it: CPU in µs of both ends per packet that arrived, and how many thousand " +
		"a second. Pings every 5 ms: mean in ms, with nothing else in the tunnel and beside one TCP flow.\n\n" +
		"| candidate | 64 B: µs | kpps | 1,200 B: µs | kpps | ping idle | ping loaded |\n|---|---|---|---|---|---|---|\n")
	for _, c := range s.Candidates {
		over := func(of func(result) float64) spread { return s.over(c.Name, of) }
		if over(func(r result) float64 { return r.Floods["64"].Delivered }).Median == 0 {
			continue
		}
		kpps := func(size string) spread {
			return over(func(r result) float64 { return r.Floods[size].Delivered / floodTime.Seconds() / 1000 })
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", c.Name, over(packetCPU("64")).text("%.2f"), kpps("64").orDash("%.0f"),
			over(packetCPU("1200")).text("%.2f"), kpps("1200").orDash("%.0f"), over(idlePing).text("%.2f"), over(loadedPing).text("%.2f"))
	}
}

func (s *session) goalTable(b *strings.Builder) {
	b.WriteString("\n## Ratios\n\nMedian of the ratios of each round, with least and most. CPU is theirs over ours. Pings are ours over theirs: less is better.\n\n" +
		"| ratio | measured | floor | goal | reached |\n|---|---|---|---|---|\n")
	for _, g := range goals {
		if p := g.spread(s.Results); p.N > 0 {
			fmt.Fprintf(b, "| `%s` | %s | %v | %v | %s |\n", g.name, p.text("%.2f"), g.floor, g.goal, g.verdict(p.Median))
		}
	}
}
