//go:build linux

package main

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const packaging = "../../packaging"

// units copies systemd's units to a folder, with a program that is there.
func units(t *testing.T) (folder string) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		cannot(t, "needs systemd-analyze (Debian: package systemd)")
	}
	folder = t.TempDir()
	paths, err := filepath.Glob(packaging + "/systemd/postern*")
	check(t, err)
	if len(paths) != 3 {
		t.Fatalf("units %q", paths)
	}
	self, err := os.Executable()
	check(t, err)
	for _, p := range paths {
		b, err := os.ReadFile(p)
		check(t, err)
		text := strings.ReplaceAll(string(b), "/usr/bin/postern", self)
		check(t, os.WriteFile(filepath.Join(folder, filepath.Base(p)), []byte(text), 0o644))
	}
	return folder
}

// TestUnits: systemd has nothing to say against its units.
func TestUnits(t *testing.T) {
	folder := units(t)
	for _, unit := range []string{"postern.service", "postern.socket", "postern@.service"} {
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", filepath.Join(folder, unit)).CombinedOutput()
		if err != nil || strings.Contains(string(out), "postern") {
			t.Errorf("%s: %v: %s", unit, err, out)
		}
	}
}

// mostExposure is what systemd-analyze security may give at most, of 10.
const mostExposure = 3.0

func TestHardening(t *testing.T) {
	folder := units(t)
	level := regexp.MustCompile(`exposure level for \S+: ([0-9.]+)`)
	for _, unit := range []string{"postern.service", "postern@.service"} {
		out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--no-pager", filepath.Join(folder, unit)).CombinedOutput()
		found := level.FindStringSubmatch(string(out))
		if err != nil || found == nil {
			t.Fatalf("%s: %v: %s", unit, err, out)
		}
		if exposure, err := strconv.ParseFloat(found[1], 64); err != nil || exposure >= mostExposure {
			t.Errorf("%s: exposure %s: %s", unit, found[1], out)
		}
	}
}

// TestUnitsSayWhatTheDaemonKeeps: the unit leaves the daemon the capabilities that it
// keeps of itself, and starts verbs and flags that there are.
func TestUnitsSayWhatTheDaemonKeeps(t *testing.T) {
	for unit, verb := range map[string]string{"postern.service": "daemon", "postern@.service": "run"} {
		b, err := os.ReadFile(filepath.Join(packaging, "systemd", unit))
		check(t, err)
		if !strings.Contains(string(b), "\nCapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_BIND_SERVICE CAP_NET_RAW\n") {
			t.Errorf("%s: other capabilities", unit)
		}
		_, line, _ := strings.Cut(string(b), "\nExecStart=/usr/bin/postern ")
		line, _, _ = strings.Cut(line, "\n")
		args := strings.Fields(line)
		cmd, rest, err := newRoot().Find(args)
		if err != nil || cmd.Name() != verb {
			t.Fatalf("%s: %q: %v", unit, line, err)
		}
		if err := cmd.ParseFlags(rest); err != nil {
			t.Errorf("%s: %v", unit, err)
		}
	}
}

// TestPolkitPolicy: the action's file is XML, and names the action that the daemon asks
// for.
func TestPolkitPolicy(t *testing.T) {
	b, err := os.ReadFile(packaging + "/polkit/org.postern.policy")
	check(t, err)
	var policy struct {
		Action []struct {
			ID       string `xml:"id,attr"`
			Message  string `xml:"message"`
			Defaults struct {
				Any      string `xml:"allow_any"`
				Inactive string `xml:"allow_inactive"`
				Active   string `xml:"allow_active"`
			} `xml:"defaults"`
		} `xml:"action"`
	}
	check(t, xml.Unmarshal(b, &policy))
	if len(policy.Action) != 1 || policy.Action[0].ID != "org.postern.control" {
		t.Fatalf("%+v", policy)
	}
	for _, d := range []string{policy.Action[0].Defaults.Any, policy.Action[0].Defaults.Inactive, policy.Action[0].Defaults.Active} {
		if !strings.HasPrefix(d, "auth_admin") {
			t.Errorf("without an administrator's password: %q", d)
		}
	}
}
