//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
)

// A spread is what several rounds gave.
type spread struct {
	Median, Least, Most float64
	N                   int
}

// spreadOf is zero where there are no values.
func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return spread{Median: (v[(n-1)/2] + v[n/2]) / 2, Least: v[0], Most: v[n-1], N: n}
}

func meanOf(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(1, len(values)))
}

// A goal is a ratio of two candidates that the project wants to reach.
type goal struct {
	name        string
	a, b        string // the candidates: of(a) / of(b)
	of          func(result) float64
	floor, goal float64
	least       bool // the smaller the better
}

func rate(r result) float64 { return r.Stream.Gbits }

// bothCPU and clientCPU are seconds per 10^9 octets.
func bothCPU(r result) float64   { _, both := r.Stream.perGB(); return both }
func clientCPU(r result) float64 { client, _ := r.Stream.perGB(); return client }

func packetCPU(size string) func(result) float64 {
	return func(r result) float64 { return r.Floods[size].perPacket() }
}

func idlePing(r result) float64   { return r.Idle.mean() }
func loadedPing(r result) float64 { return r.Loaded.mean() }

func (p *pings) mean() float64 {
	if p == nil {
		return math.NaN()
	}
	return p.Mean
}

// goals are the ratios of tunnels. CPU is theirs over ours; against wireguard-go of both ends, against vpnc and strongSwan
// of the client, for vpnc's other end isn't vpnc.
var goals = []goal{
	{"aes-sha1.rate/wireguard-go", "aes128-sha1", "wireguard-go", rate, 2, 3, false},
	{"aes-sha1.cpu/wireguard-go", "wireguard-go", "aes128-sha1", bothCPU, 2, 2.8, false},
	{"aes-sha1.rate/vpnc", "aes128-sha1", "vpnc", rate, 8, 12, false},
	{"aes-sha1.rate/strongswan", "aes128-sha1", "strongswan", rate, 8, 12, false},
	{"aes-sha1.cpu/vpnc", "vpnc", "aes128-sha1", clientCPU, 8, 12, false},
	{"aes-sha1.cpu/strongswan", "strongswan", "aes128-sha1", clientCPU, 8, 12, false},
	{"3des-sha1.rate/vpnc", "3des-sha1", "vpnc-3des", rate, 8, 25, false},
	{"3des-sha1.rate/strongswan", "3des-sha1", "strongswan-3des", rate, 8, 25, false},
	{"3des-sha1.rate/wireguard-go", "3des-sha1", "wireguard-go", rate, 0.5, 1, false},
	{"aes-sha1.rate/null", "aes128-sha1", "null", rate, 0.65, 0.8, false},
	{"gcm.rate/null", "aes128gcm16", "null", rate, 0.65, 0.8, false},
	{"udp64.cpu/wireguard-go", "wireguard-go", "aes128-sha1", packetCPU("64"), 1.5, 3, false},
	{"udp1200.cpu/wireguard-go", "wireguard-go", "aes128-sha1", packetCPU("1200"), 1.5, 3, false},
	{"ping.idle/wireguard-go", "aes128-sha1", "wireguard-go", idlePing, 1, 0.7, true},
	{"ping.load/wireguard-go", "aes128-sha1", "wireguard-go", loadedPing, 1, 0.7, true},
}

// verdict says how a ratio stands to its goal.
func (g goal) verdict(value float64) string {
	reached := func(mark float64) bool { return value >= mark != g.least || value == mark }
	switch {
	case reached(g.goal):
		return "goal"
	case reached(g.floor):
		return "floor"
	}
	return "below the floor"
}

// spread is that of the ratios of all rounds in which both candidates ran to their end.
func (g goal) spread(results []result) spread {
	byRound := map[int]result{}
	for _, r := range results {
		if r.Candidate == g.b && r.Error == "" {
			byRound[r.Round] = r
		}
	}
	var values []float64
	for _, r := range results {
		b, ok := byRound[r.Round]
		if !ok || r.Candidate != g.a || r.Error != "" {
			continue
		}
		if v := g.of(r) / g.of(b); v > 0 && !math.IsInf(v, 0) {
			values = append(values, v)
		}
	}
	return spreadOf(values)
}

// ratios are the medians by name; those that weren't measured are absent.
func (s *session) ratios() map[string]float64 {
	all := map[string]float64{}
	for _, g := range goals {
		if p := g.spread(s.Results); p.N > 0 {
			all[g.name] = rounded(p.Median)
		}
	}
	return all
}

// rounded leaves three digits behind the point.
func rounded(v float64) float64 { return math.Round(v*1000) / 1000 }

// mergeRatios puts the ratios of tunnels into a file, and leaves in it what the comparison of ciphers wrote. A ratio that
// wasn't measured this time is removed.
func mergeRatios(path string, fresh map[string]float64) error {
	all := map[string]float64{}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, g := range goals {
		delete(all, g.name)
	}
	for name, v := range fresh {
		all[name] = v
	}
	return writeJSON(path, all)
}
