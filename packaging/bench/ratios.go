//go:build linux

package main

import (
	"math"

	"postern/packaging/bench/figures"
)

// A goal is a ratio of two candidates that the project wants to reach.
type goal struct {
	figures.Goal
	a, b string // the candidates: of(a) / of(b)
	of   func(result) float64
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
	{figures.Goal{Name: "aes-sha1.rate/wireguard-go", Floor: 2, Goal: 3}, "aes128-sha1", "wireguard-go", rate},
	{figures.Goal{Name: "aes-sha1.cpu/wireguard-go", Floor: 2, Goal: 2.8}, "wireguard-go", "aes128-sha1", bothCPU},
	{figures.Goal{Name: "aes-sha1.rate/vpnc", Floor: 8, Goal: 12}, "aes128-sha1", "vpnc", rate},
	{figures.Goal{Name: "aes-sha1.rate/strongswan", Floor: 8, Goal: 12}, "aes128-sha1", "strongswan", rate},
	{figures.Goal{Name: "aes-sha1.cpu/vpnc", Floor: 8, Goal: 12}, "vpnc", "aes128-sha1", clientCPU},
	{figures.Goal{Name: "aes-sha1.cpu/strongswan", Floor: 8, Goal: 12}, "strongswan", "aes128-sha1", clientCPU},
	{figures.Goal{Name: "3des-sha1.rate/vpnc", Floor: 8, Goal: 25}, "3des-sha1", "vpnc-3des", rate},
	{figures.Goal{Name: "3des-sha1.rate/strongswan", Floor: 8, Goal: 25}, "3des-sha1", "strongswan-3des", rate},
	{figures.Goal{Name: "3des-sha1.rate/wireguard-go", Floor: 0.5, Goal: 1}, "3des-sha1", "wireguard-go", rate},
	{figures.Goal{Name: "aes-sha1.rate/null", Floor: 0.65, Goal: 0.8}, "aes128-sha1", "null", rate},
	{figures.Goal{Name: "gcm.rate/null", Floor: 0.65, Goal: 0.8}, "aes128gcm16", "null", rate},
	{figures.Goal{Name: "udp64.cpu/wireguard-go", Floor: 1.5, Goal: 3}, "wireguard-go", "aes128-sha1", packetCPU("64")},
	{figures.Goal{Name: "udp1200.cpu/wireguard-go", Floor: 1.5, Goal: 3}, "wireguard-go", "aes128-sha1", packetCPU("1200")},
	{figures.Goal{Name: "ping.idle/wireguard-go", Floor: 1, Goal: 0.7, Less: true}, "aes128-sha1", "wireguard-go", idlePing},
	{figures.Goal{Name: "ping.load/wireguard-go", Floor: 1, Goal: 0.7, Less: true}, "aes128-sha1", "wireguard-go", loadedPing},
}

// spread is that of the ratios of all rounds in which both candidates ran to their end.
func (g goal) spread(results []result) figures.Spread {
	byRound := map[int]result{}
	for _, r := range results {
		if r.Candidate == g.b && r.Error == "" {
			byRound[r.Round] = r
		}
	}
	var a, b []float64
	for _, r := range results {
		if other, ok := byRound[r.Round]; ok && r.Candidate == g.a && r.Error == "" {
			a, b = append(a, g.of(r)), append(b, g.of(other))
		}
	}
	return figures.Ratios(a, b)
}

// mergeRatios puts the medians into a file, which holds those of the comparison of ciphers too.
func (s *session) mergeRatios(path string) error {
	var names []string
	measured := map[string]figures.Spread{}
	for _, g := range goals {
		names = append(names, g.Name)
		measured[g.Name] = g.spread(s.Results)
	}
	return figures.Merge(path, names, measured)
}
