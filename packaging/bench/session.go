//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"postern/packaging/bench/figures"
)

// A session is everything that one run measured.
type session struct {
	Machine    figures.Machine
	Skipped    []string `json:",omitempty"`
	Candidates []described
	Results    []result
}

// described is what a table says of a candidate.
type described struct {
	Name, What string
	Ours       bool
}

func loadAverage() float64 {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	load, _ := strconv.ParseFloat(first, 64)
	return load
}

// machineTime is the first line of /proc/stat: ticks of all cores.
type machineTime struct{ all, stolen float64 }

func readMachine() machineTime {
	text, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(text), "\n")
	return parseMachine(line)
}

// parseMachine reads "cpu user nice system idle iowait irq softirq steal …".
func parseMachine(line string) (t machineTime) {
	f := strings.Fields(line)
	for i := 1; i < min(len(f), 9); i++ {
		n, _ := strconv.ParseFloat(f[i], 64)
		t.all += n
		if i == 8 {
			t.stolen = n
		}
	}
	return t
}

func (t machineTime) stealSince(b machineTime) float64 {
	if t.all <= b.all {
		return 0
	}
	return (t.stolen - b.stolen) / (t.all - b.all)
}

func readSession(path string) (*session, error) {
	text, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	s := new(session)
	return s, json.Unmarshal(text, s)
}
