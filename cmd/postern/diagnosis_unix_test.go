//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/client"
	"postern/client/localapi"
)

// TestProbeOfAGateway asks the embedded concentrator, as a stranger would.
func TestProbeOfAGateway(t *testing.T) {
	if testing.Short() {
		t.Skip("a probe is slow on purpose")
	}
	t.Parallel()
	address := gateway(t)
	t.Run("table", func(t *testing.T) {
		t.Parallel()
		p := postern(t, "probe", address.String())
		if exit := p.finish(); exit != 0 {
			t.Fatalf("exit code %d", exit)
		}
		for _, want := range []string{address.String(), "Main Mode         accepts", "aes256-sha256-modp2048", "mode = \"main\""} {
			if !strings.Contains(p.out.String(), want) {
				t.Errorf("doesn't say %q", want)
			}
		}
	})
	t.Run("json", func(t *testing.T) {
		t.Parallel()
		p := postern(t, "probe", address.String(), "--identity", "staff", "--json")
		if exit := p.finish(); exit != 0 {
			t.Fatalf("exit code %d", exit)
		}
		var r localapi.ProbeReport
		if err := json.Unmarshal(p.out.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Schema != 1 || r.AggressiveMode == nil || r.AggressiveMode.Answer != "accepts" || !r.OfflineGuessing || p.err.String() != "" {
			t.Errorf("%+v, %q", r, p.err.String())
		}
	})
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()
		if exit := postern(t, "probe", "127.0.0.1:9").finish(); exit != client.ExitTimeout {
			t.Errorf("exit code %d", exit)
		}
	})
	t.Run("no host", func(t *testing.T) {
		t.Parallel()
		for _, args := range [][]string{{"probe"}, {"probe", "a b"}, {"probe", "127.0.0.1", "--identity", "x", "--identity-type", "dn"}} {
			if exit := postern(t, args...).finish(); exit != client.ExitProfile {
				t.Errorf("%q: exit code %d", args, exit)
			}
		}
	})
}

// TestDoctorOfAProfile looks at a profile whose gateway answers, and writes a report
// that has none of its secrets.
func TestDoctorOfAProfile(t *testing.T) {
	t.Parallel()
	file := profileFile(t, fmt.Sprintf(withoutSecrets+"secret = \"canary key\"\npassword = \"canary password\"\n", gateway(t)))
	report := filepath.Join(t.TempDir(), "report.txt")
	socket := filepath.Join(t.TempDir(), "nobody.sock")
	p := postern(t, "doctor", file, "-o", report, "--socket", socket, "--json")
	exit := p.finish()
	var r localapi.DoctorReport
	if err := json.Unmarshal(p.out.Bytes(), &r); err != nil {
		t.Fatalf("exit code %d: %v", exit, err)
	}
	if (exit != 0) != (r.Verdict == localapi.VerdictFail) {
		t.Errorf("exit code %d, verdict %s", exit, r.Verdict)
	}
	verdicts := map[string]localapi.Verdict{}
	for _, c := range r.Checks {
		verdicts[c.ID] = c.Verdict
	}
	for id, want := range map[string]localapi.Verdict{
		"service": localapi.VerdictWarn, "profile": localapi.VerdictOK, "gateway_answers": localapi.VerdictOK, "secrets": localapi.VerdictOK,
	} {
		if verdicts[id] != want {
			t.Errorf("%s is %q, want %q", id, verdicts[id], want)
		}
	}
	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatal(err)
	}
	if all := string(text) + p.out.String() + p.err.String(); strings.Contains(all, "canary") || !strings.Contains(all, "user = \"alice\"") {
		t.Errorf("the report: %s", all)
	}
}

func TestDoctorRefuses(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "nobody.sock")
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"doctor", "nobody-knows"}, client.ExitNoProfile},
		{[]string{"doctor", "a", "b"}, client.ExitProfile},
		{[]string{"doctor", "-o", "report.rar"}, client.ExitProfile},
	} {
		if exit := postern(t, append(c.args, "--socket", socket)...).finish(); exit != c.want {
			t.Errorf("%q: exit code %d, want %d", c.args, exit, c.want)
		}
	}
	// A profile that can't be read is a finding, not the end.
	p := postern(t, "doctor", profileFile(t, "gateway = 5\n"), "--socket", socket)
	if exit := p.finish(); exit != client.ExitOther || !strings.Contains(p.out.String(), "fail  Profile:") {
		t.Errorf("exit code %d: %s", exit, p.out.String())
	}
}
