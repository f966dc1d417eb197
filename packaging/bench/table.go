//go:build linux

package main

import (
	"fmt"
	"strings"

	"postern/packaging/bench/figures"
)

// tables are all tables, in Markdown.
func (s *session) tables() string {
	var b strings.Builder
	rounds := 0
	for _, r := range s.Results {
		rounds = max(rounds, r.Round)
	}
	fmt.Fprintf(&b, "%s. Rounds: %d. Load average before a candidate %s, steal %s %%.\n", s.Machine, rounds,
		s.over("", func(r result) float64 { return r.Load }).Text("%.1f"),
		s.over("", func(r result) float64 { return r.Steal * 100 }).Text("%.0f"))
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
func (s *session) over(candidate string, of func(result) float64) figures.Spread {
	var values []float64
	for _, r := range s.Results {
		if r.Error == "" && (candidate == "" || r.Candidate == candidate) {
			values = append(values, of(r))
		}
	}
	return figures.Of(values)
}

func (s *session) streamTable(b *strings.Builder) {
	b.WriteString("\n## One TCP flow\n\nMedian [least–most] of the rounds. CPU: seconds of the tunnel's processes per 10^9 octets of payload. " +
		"Batch: packets a read of the client's device, a write of the gateway's. Allocations: of the client and the gateway per 1,000 packets. " +
		"RSS: of the client.\n\n" +
		"| candidate | Gbit/s | CPU client | CPU gateway | batch | allocations | RSS, MiB | |\n|---|---|---|---|---|---|---|---|\n")
	for _, c := range s.Candidates {
		over := func(of func(result) float64) figures.Spread { return s.over(c.Name, of) }
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
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s | %s |\n", c.Name, over(rate).Text("%.2f"),
			over(clientCPU).Short("%.2f"), over(gateway).Short("%.2f"), batch, allocs,
			over(func(r result) float64 { return float64(r.RSS) / 1024 }).Short("%.0f"), c.What)
	}
}

func (s *session) smallTable(b *strings.Builder) {
	b.WriteString("\n## Small packets and pings\n\nUDP as fast as one program sends it: CPU in µs of both ends per packet that arrived, and how many thousand " +
		"a second. Pings every 5 ms: mean in ms, with nothing else in the tunnel and beside one TCP flow.\n\n" +
		"| candidate | 64 B: µs | kpps | 1,200 B: µs | kpps | ping idle | ping loaded |\n|---|---|---|---|---|---|---|\n")
	for _, c := range s.Candidates {
		over := func(of func(result) float64) figures.Spread { return s.over(c.Name, of) }
		if over(func(r result) float64 { return r.Floods["64"].Delivered }).Median == 0 {
			continue
		}
		kpps := func(size string) figures.Spread {
			return over(func(r result) float64 { return r.Floods[size].Delivered / floodTime.Seconds() / 1000 })
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s | %s |\n", c.Name, over(packetCPU("64")).Text("%.2f"), kpps("64").Short("%.0f"),
			over(packetCPU("1200")).Text("%.2f"), kpps("1200").Short("%.0f"), over(idlePing).Text("%.2f"), over(loadedPing).Text("%.2f"))
	}
}

func (s *session) goalTable(b *strings.Builder) {
	b.WriteString("\n## Ratios\n\nMedian of the ratios of each round, with least and most. CPU is theirs over ours. Pings are ours over theirs: less is better.\n\n" +
		figures.GoalHead)
	for _, g := range goals {
		if p := g.spread(s.Results); p.N > 0 {
			b.WriteString(g.Row(p))
		}
	}
}
