package figures

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// A Machine is what was measured, where and when.
type Machine struct {
	Commit, Date, CPU, Kernel, Go string
	Tier                          string // the instructions in use, where that is one thing
	Cores                         int
}

// Describe describes this machine, and now. What isn't known stays empty.
func Describe(commit string) Machine {
	m := Machine{
		Commit: cmp.Or(commit, "unknown"), Date: time.Now().UTC().Format("2006-01-02 15:04 MST"),
		Kernel: commandOutput("uname", "-sr"), Go: runtime.Version(),
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

// String is one line for a table.
func (m Machine) String() string {
	s := fmt.Sprintf("Commit %s, %s; %s, %d cores, %s, %s", m.Commit, m.Date, m.CPU, m.Cores, m.Kernel, m.Go)
	if m.Tier != "" {
		s += ", tier " + m.Tier
	}
	return s
}

// commandOutput is what a command says, in one line; empty when it fails.
func commandOutput(program string, args ...string) string {
	out, _ := exec.Command(program, args...).Output()
	return strings.TrimSpace(string(out))
}
