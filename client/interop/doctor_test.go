//go:build linux

package interop

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postern/client/localapi"
)

// The doctor of a connection that is up finds it well, and sees when its routes and its name server are taken away.
func TestDoctorOfAConnection(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	l := newLab(t, false)
	l.serve()
	s := labSwan
	s.Also = []string{"dns = 10.99.1.53", `28674 = "corp.example"`}
	l.swanGateway(s)
	daemon := l.client.start(nil, program(t, "postern"), "daemon", "--state-dir", filepath.Join(l.dir, "state"))
	l.eventually("the daemon", func() bool {
		daemon.running()
		_, err := os.Stat(filepath.Join(l.client.run, "postern", "postern.sock"))
		return err == nil
	})
	file := l.profile(s.profile())
	l.client.must(program(t, "postern"), "up", file, "--no-prompt")
	l.carries(firstOfPool, host1)

	r := l.doctor(file)
	for id, want := range map[string]localapi.Verdict{
		"service": localapi.VerdictOK, "profile": localapi.VerdictOK, "tun_device": localapi.VerdictOK, "gateway_answers": localapi.VerdictOK,
		"tunnel_routes": localapi.VerdictOK, "tunnel_dns": localapi.VerdictOK, "tunnel_dns_answers": localapi.VerdictFail, // nobody is there
		"path_mtu": localapi.VerdictOK, "weak": localapi.VerdictWarn,
	} {
		if got := verdictOf(r, id); got.Verdict != want {
			t.Errorf("%s: %+v, want %s", id, got, want)
		}
	}

	l.client.ip("route", "delete", network2)
	l.client.must("sh", "-c", "echo nameserver 127.0.0.1 >/etc/resolv.conf")
	r = l.doctor(file)
	for _, id := range []string{"tunnel_routes", "tunnel_dns"} {
		if got := verdictOf(r, id); got.Verdict != localapi.VerdictFail {
			t.Errorf("%s: %+v", id, got)
		}
	}
	if text, err := json.Marshal(r); err != nil || strings.Contains(string(text), s.Password) || strings.Contains(string(text), s.Secret) {
		t.Errorf("a secret in the report (%v): %s", err, text)
	}
	l.client.must(program(t, "postern"), "down", "lab")
}

func verdictOf(r localapi.DoctorReport, id string) localapi.Check {
	for _, c := range r.Checks {
		if c.ID == id {
			return c
		}
	}
	return localapi.Check{ID: id, Found: "not checked"}
}

// doctor has a profile looked at in the lab's client. Something may be wrong.
func (l *lab) doctor(file string) (r localapi.DoctorReport) {
	l.t.Helper()
	out, err := l.client.try(program(l.t, "postern"), "doctor", file, "--json", "-o", filepath.Join(l.t.TempDir(), "report.zip"))
	var exit *exec.ExitError
	if err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) {
		l.t.Fatal(err)
	}
	end := strings.Index(out, "\n")
	if end < 0 || json.Unmarshal([]byte(out[:end]), &r) != nil {
		l.t.Fatalf("no report: %s", out)
	}
	return r
}
