//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"postern/client"
	"postern/client/localapi"
)

func TestUpAndDown(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.runsService()
	h.office(stored)
	if st := h.status("office"); st.State != client.Down || st.Schema != 1 {
		t.Errorf("before: %+v", st)
	}
	p := h.up(0, "office")
	p.says("connected", "10.20.0.1", "proxy", "To disconnect: postern down office")
	st := h.status("office")
	if st.State != client.Up || len(st.SAs) != 1 || st.SAs[0].Suite != "aes256-sha256" || st.Tunnel.Proxy == "" {
		t.Fatalf("%+v", st)
	}
	h.does(0, "status").says("NAME", "office", "up", "10.20.0.", st.Tunnel.Proxy)
	h.does(0, "status", "office").says("office is up for", "SPI IN", st.SAs[0].Inbound, st.SAs[0].Outbound, "aes256-sha256", "REKEY", "0 pkt", "0.0.0.0/0")
	h.does(0, "connect", "office", "--socks", "127.0.0.1:0").says("connected already")
	h.does(0, "down").says("office is down.")
	if got := h.tunnels(); len(got) != 0 {
		t.Errorf("after down: %v", got)
	}
	h.does(10, "disconnect", "office").says("no connection \"office\"")
	h.does(0, "down", "--all").says("There is no connection")
	h.does(7, "down", "office", "--all").says("not both")
	h.does(10, "status", "elsewhere").says("no connection \"elsewhere\"")
}

// The name that a person types is the file's, whatever stands in it.
func TestNameInTheFile(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.runsService()
	h.has("office", fmt.Sprintf(withoutSecrets, gateway(t))+stored+"name = \"head office\"\n")
	h.up(0, "office").says("postern down 'head office'")
	if st := h.status("office"); st.State != client.Up || st.Profile != "head office" {
		t.Errorf("%+v", st)
	}
	h.does(0, "list").says("office", "up")
	h.does(0, "log", "office").says("connected")
	h.does(0, "down", "office").says("head office is down")
}

func TestUpAsJSON(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.runsService()
	h.office(stored)
	p := h.postern("up", "office", "--json", "--socks", "127.0.0.1:0")
	p.watch()
	if st := p.until(client.Up); st.Profile != "office" {
		t.Errorf("%+v", st)
	}
	if exit := p.wait(); exit != 0 {
		t.Errorf("exit code %d", exit)
	}
	var d disconnected
	h.reads(&d, "down", "office", "--json")
	if d.Schema != 1 || len(d.Disconnected) != 1 {
		t.Errorf("%+v", d)
	}
}

func TestUpFails(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.office(stored)
	h.up(9, "office").says("isn't running", "postern daemon")
	h.does(9, "status").says("postern daemon")
	h.does(9, "log").says("postern daemon")
	h.does(9, "down", "office").says("postern daemon")
	h.runsService()
	h.has("wrong", strings.Replace(fmt.Sprintf(withoutSecrets, gateway(t))+stored, "the password", "hunter2", 1))
	h.up(2, "wrong", "--no-prompt").says("failed", "refused the user name")
	h.does(0, "status").says("wrong", "failed", "refused the user name")
	h.has("bare", fmt.Sprintf(withoutSecrets, gateway(t)))
	h.up(6, "bare", "--no-prompt").says("nobody may be asked")
	h.up(6, "bare").says("nobody may be asked") // for there is no terminal
	h.up(10, "nowhere").says("no profile \"nowhere\"", "postern list")
	h.up(10, "./nowhere.toml").says("no such profile")
	h.has("mistaken", "gateway = \"192.0.2.1\"\nmoed = \"main\"\n")
	h.up(7, "mistaken").says("mistaken.toml:2", "\"mode\"")
	h.has("token", "gateway = \"192.0.2.1\"\nauth = \"rsa\"\nkey = \"pkcs11:object=a\"\n")
	h.up(7, "token").says("postern run token")
	h.up(7, "office", "--wait", "-1s").says("--wait")
	h.up(7).says("one profile")
	h.has("silent", fmt.Sprintf(withoutSecrets, silentGateway(t))+stored)
	h.up(3, "silent", "--wait", "100ms").says("goes on trying", "postern down silent")
	if st := h.status("silent"); st.State != client.Connecting {
		t.Errorf("after the wait: %+v", st)
	}
	h.does(0, "down", "silent")
	h.up(0, "silent", "--wait", "0").says("postern status silent")
	if got := h.tunnels(); got["silent"] == "" {
		t.Errorf("%v", got)
	}
	h.does(7, "down").says("several connections")
	h.does(0, "down", "--all", "-q")
	if got := h.tunnels(); len(got) != 0 {
		t.Errorf("after down --all: %v", got)
	}
}

func TestUpInterrupted(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.runsService()
	h.has("silent", fmt.Sprintf(withoutSecrets, silentGateway(t))+stored)
	for sig, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		p := h.postern("up", "--socks", "127.0.0.1:0", "silent", "--json")
		p.watch()
		p.until(client.Connecting)
		if err := p.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if exit := p.wait(); exit != want {
			t.Errorf("%v: exit code %d, want %d", sig, exit, want)
		}
		if got := h.tunnels(); len(got) != 0 {
			t.Errorf("%v leaves %v", sig, got)
		}
	}
}

// Secrets and answers come from elsewhere, for this once.
func TestUpWithSecretsFromElsewhere(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.runsService()
	h.office("")
	pipe := func(text string) *os.File {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(w, text)
		w.Close()
		return r
	}
	p := h.postern("up", "--socks", "127.0.0.1:0", "office", "--no-prompt", "--secrets-fd", "3", "--user", "alice")
	p.ExtraFiles = []*os.File{pipe("secret=the group's key\npassword=the password\n")}
	if exit := p.finish(); exit != 0 {
		t.Errorf("--secrets-fd: exit code %d", exit)
	}
	h.does(0, "down")
	p = h.postern("up", "--socks", "127.0.0.1:0", "office", "--answers-fd", "3")
	p.ExtraFiles = []*os.File{pipe("{\"secret\": \"the group's key\"}\n{\"password\": \"the password\"}\n")}
	if exit := p.finish(); exit != 0 {
		t.Errorf("--answers-fd: exit code %d", exit)
	}
	h.does(0, "down")
	p = h.postern("up", "--socks", "127.0.0.1:0", "office", "--answers-fd", "3")
	p.ExtraFiles = []*os.File{pipe("{\"cancel\": true}\n")}
	if exit := p.finish(); exit != 130 {
		t.Errorf("cancelled: exit code %d", exit)
	}
	h.up(7, "office", "--no-prompt", "--answers-fd", "3").says("--answers-fd goes neither")
}

// A profile that only the service has, of the demo's.
func TestUpOfTheService(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.runsService("--demo")
	h.does(0, "list").says("demo-password", "service")
	h.does(0, "show", "demo-password").says("gateway = \"127.0.0.1:")
	p := h.postern("up", "--socks", "127.0.0.1:0", "demo-password", "--secrets-fd", "0", "--no-prompt", "-v")
	p.Stdin = strings.NewReader("password=" + demoPassword + "\n")
	if exit := p.finish(); exit != 0 {
		t.Errorf("exit code %d", exit)
	}
	h.up(6, "demo-radius", "--no-prompt")
	h.does(0, "status", "demo-password").says("demo-password is up")
	h.does(0, "status", "demo").says("demo is down")
}

func TestStatusWatch(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.runsService()
	h.office(stored)
	one := h.postern("status", "office", "--watch", "--json")
	one.watch()
	one.until(client.Down)
	all := h.postern("status", "--watch", "--json")
	all.watch()
	h.up(0, "office", "-q")
	one.until(client.Up)
	for up := false; !up; {
		if !all.lines.Scan() {
			t.Fatal("the snapshots end")
		}
		var s localapi.Snapshot
		if err := json.Unmarshal(all.lines.Bytes(), &s); err != nil || s.Schema != 1 {
			t.Fatalf("%s: %v", all.lines.Text(), err)
		}
		up = len(s.Tunnels) == 1 && s.Tunnels[0].State == client.Up
	}
	h.does(0, "down")
	one.until(client.Down)
	for _, p := range []*program{one, all} {
		_ = p.Process.Signal(syscall.SIGTERM)
		for p.lines.Scan() {
		}
		if exit := p.wait(); exit != 0 {
			t.Errorf("exit code %d", exit)
		}
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	h := newPerson(t)
	h.runsService()
	h.office(stored)
	follow := h.postern("log", "--follow", "--json")
	follow.watch()
	h.up(0, "office", "-q")
	for connected := false; !connected; {
		if !follow.lines.Scan() {
			t.Fatal("the log ends")
		}
		var l localapi.LogLine
		if err := json.Unmarshal(follow.lines.Bytes(), &l); err != nil || l.Time.IsZero() {
			t.Fatalf("%s: %v", follow.lines.Text(), err)
		}
		connected = l.Message == "connected" && strings.HasSuffix(l.Tunnel, ":office")
	}
	_ = follow.Process.Signal(syscall.SIGINT)
	for follow.lines.Scan() {
	}
	if exit := follow.wait(); exit != 0 {
		t.Errorf("exit code %d", exit)
	}
	h.does(0, "log", "office").says("connected address=10.20.0.")
	h.does(0, "log").says("office: connected", "serving")
	h.does(10, "log", "nowhere").says("no connection")
}
