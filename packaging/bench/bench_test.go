//go:build linux

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/packaging/bench/figures"
)

func TestParseIperf(t *testing.T) {
	const said = `{"start": {}, "end": {
		"sum_sent": {"bytes": 2000, "bits_per_second": 16e9, "retransmits": 3},
		"sum_received": {"bytes": 1500, "bits_per_second": 1.25e9}}}`
	got, err := parseIperf(said)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(stream{Gbits: 1.25, Octets: 1500, Retransmits: 3}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "{", `{"error": "unable to connect"}`, `{"end": {"sum_received": {"bytes": 0}}}`} {
		if _, err := parseIperf(bad); err == nil {
			t.Errorf("%q is taken for a result", bad)
		}
	}
}

func TestParseStat(t *testing.T) {
	// The name of a program may hold blanks and brackets.
	const line = "17 (a (b) c) S 5 17 17 0 -1 4194560 1 2 3 4 100 20 3 1 20 0 4 0 100 0 0"
	got, ok := parseStat(line)
	if want := (stat{parent: 5, ticks: 124}); !ok || got != want {
		t.Errorf("got %v, %v, want %v", got, ok, want)
	}
	for _, bad := range []string{"", "17 (a) S 5", "17 (a) S 5 17 17 0 -1 4194560 1 2 3 4 x 20 3 1"} {
		if _, ok := parseStat(bad); ok {
			t.Errorf("%q is taken for a process", bad)
		}
	}
}

func TestTreeTicks(t *testing.T) {
	all := map[int]stat{10: {1, 5}, 11: {10, 7}, 12: {11, 1}, 13: {1, 100}}
	if got := treeTicks(all, 10); got != 13 {
		t.Errorf("got %v, want 13", got)
	}
	if got := treeTicks(all, 99); got != 0 {
		t.Errorf("of nobody: got %v, want 0", got)
	}
}

func TestStealSince(t *testing.T) {
	before := parseMachine("cpu  100 0 50 800 10 0 0 40 0 0")
	after := parseMachine("cpu  150 0 60 810 10 0 0 70 0 0")
	if got := after.stealSince(before); got != 0.3 {
		t.Errorf("got %v, want 0.3", got)
	}
	if got := before.stealSince(before); got != 0 {
		t.Errorf("in no time: got %v, want 0", got)
	}
}

func TestChoose(t *testing.T) {
	t.Setenv("PATH", programs(t, "ip", "iperf3"))
	all := []candidate{{name: "a"}, {name: "b", needs: []string{"no-such-program"}}, {name: "c"}}
	for _, c := range []struct {
		names   string
		chosen  []string
		skipped []string
	}{
		{"", []string{"a", "c"}, []string{"b, without no-such-program"}},
		{"c, a", []string{"a", "c"}, nil},
		{"c b", []string{"c"}, []string{"b, without no-such-program"}},
	} {
		chosen, skipped, err := choose(all, c.names)
		if err != nil {
			t.Errorf("%q: %v", c.names, err)
		}
		var names []string
		for _, c := range chosen {
			names = append(names, c.name)
		}
		if diff := cmp.Diff(c.chosen, names); diff != "" {
			t.Errorf("%q: chosen (-want +got):\n%s", c.names, diff)
		}
		if diff := cmp.Diff(c.skipped, skipped); diff != "" {
			t.Errorf("%q: skipped (-want +got):\n%s", c.names, diff)
		}
	}
	for _, names := range []string{"nobody", "b"} {
		if _, _, err := choose(all, names); err == nil {
			t.Errorf("%q: no error", names)
		}
	}
}

// programs makes a folder of programs that do nothing.
func programs(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// sample is two rounds in which everything ran, and a third in which the second candidate failed.
func sample() *session {
	s := &session{
		Machine:    figures.Machine{Commit: "abc", Date: "today", CPU: "a <fast> one", Cores: 2},
		Candidates: []described{{"aes128-sha1", "ours", true}, {"wireguard-go", "theirs", false}},
		Skipped:    []string{"vpnc, without vpnc"},
	}
	add := func(name string, round int, gbits, cpu, packet, ping float64) {
		s.Results = append(s.Results, result{
			Candidate: name, Round: round,
			Stream: stream{Gbits: gbits, Octets: 1e9, CPUClient: cpu, CPUGateway: cpu},
			Floods: map[string]flows{"64": {Delivered: 1e6, CPUClient: packet}, "1200": {Delivered: 1e6, CPUClient: packet}},
			Idle:   &pings{Mean: ping}, Loaded: &pings{Mean: 2 * ping},
		})
	}
	add("aes128-sha1", 1, 4, 1, 1, 0.1)
	add("wireguard-go", 1, 2, 3, 2, 0.2)
	add("wireguard-go", 2, 1, 2, 4, 0.4)
	add("aes128-sha1", 2, 4, 1, 1, 0.1)
	add("aes128-sha1", 3, 9, 1, 1, 0.1)
	s.Results = append(s.Results, result{Candidate: "wireguard-go", Round: 3, Error: "no answer"})
	return s
}

func TestRatiosOfRounds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ratios.json")
	s := sample()
	if err := s.mergeRatios(path); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
	"aes-sha1.cpu/wireguard-go": 2.5,
	"aes-sha1.rate/wireguard-go": 3,
	"ping.idle/wireguard-go": 0.375,
	"ping.load/wireguard-go": 0.375,
	"udp1200.cpu/wireguard-go": 3,
	"udp64.cpu/wireguard-go": 3
}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTables(t *testing.T) {
	text := sample().tables()
	for _, want := range []string{
		"Commit abc, today; a <fast> one, 2 cores",
		"Rounds: 3.",
		"Skipped: vpnc, without vpnc.",
		"Failed: wireguard-go in round 3: no answer.",
		"| aes128-sha1 | 4.00 [4.00–9.00] | 1.00 | 1.00 |",
		"| wireguard-go | 1.50 [1.00–2.00] |",
		"| `aes-sha1.rate/wireguard-go` | 3.00 [2.00–4.00] | 2 | 3 | goal |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q isn't in\n%s", want, text)
		}
	}
	for _, absent := range []string{"NaN", "Inf", "/vpnc`"} {
		if strings.Contains(text, absent) {
			t.Errorf("%q is in\n%s", absent, text)
		}
	}
}

func TestPicture(t *testing.T) {
	text := sample().picture()
	d := xml.NewDecoder(strings.NewReader(text))
	bars := map[string]int{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("no XML: %v\n%s", err, text)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "rect" {
			bars[e.Attr[0].Value]++
		}
	}
	if diff := cmp.Diff(map[string]int{"ours": 2, "other": 2}, bars); diff != "" {
		t.Errorf("bars (-want +got):\n%s\n%s", diff, text)
	}
}

// A session that was kept is read as it was.
func TestReadSession(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rounds.json")
	want := sample()
	if err := figures.WriteJSON(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := readSession(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Every candidate of a goal exists.
func TestGoalsHaveCandidates(t *testing.T) {
	known := map[string]bool{}
	for _, c := range allCandidates("bin", "") {
		if known[c.name] {
			t.Errorf("two candidates are called %s", c.name)
		}
		known[c.name] = true
	}
	for _, g := range goals {
		if !known[g.a] || !known[g.b] {
			t.Errorf("%s: no candidate %s or %s", g.Name, g.a, g.b)
		}
	}
}
