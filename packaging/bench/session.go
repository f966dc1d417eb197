//go:build linux

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A session is everything that one run measured.
type session struct {
	Machine    machine
	Skipped    []string `json:",omitempty"`
	Candidates []described
	Results    []result
}

// described is what a table says of a candidate.
type described struct {
	Name, What string
	Ours       bool
}

// A machine is what was measured, where and when.
type machine struct {
	Commit, Date, CPU, Kernel, Go, Tier string
	Cores                               int
}

func describeMachine(commit string) machine {
	m := machine{
		Commit: commit, Date: time.Now().UTC().Format("2006-01-02 15:04 MST"), CPU: "unknown",
		Kernel: commandOutput("uname", "-sr"), Go: commandOutput("go", "env", "GOVERSION"),
	}
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(name) {
		case "processor":
			m.Cores++
		case "model name":
			m.CPU = strings.TrimSpace(value)
		}
	}
	return m
}

// commandOutput is what a command says, in one line; empty when it fails.
func commandOutput(program string, args ...string) string {
	out, _ := exec.Command(program, args...).Output()
	return strings.TrimSpace(string(out))
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

func writeJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
