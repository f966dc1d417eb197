//go:build unix

package service

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/client"
	"postern/client/localapi"
	"postern/client/profile"
)

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	check(t, os.WriteFile(path, []byte(text), 0o600))
	check(t, os.Chmod(path, mode))
}

func TestFolder(t *testing.T) {
	dir, credentials := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "good.toml"), gatewayLine+"name = \"another\"\nautoconnect = true\n", 0o644)
	write(t, filepath.Join(dir, "secret.toml"), gatewayLine+"secret = \""+groupKey+"\"\n", 0o644)
	write(t, filepath.Join(dir, "shared.toml"), gatewayLine, 0o664)
	write(t, filepath.Join(dir, "bad.toml"), gatewayLine+"mtu = 1\n", 0o644)
	write(t, filepath.Join(dir, "-x.toml"), gatewayLine, 0o644)
	write(t, filepath.Join(dir, "readme.txt"), "", 0o644)
	check(t, os.Symlink("good.toml", filepath.Join(dir, "link.toml")))
	write(t, filepath.Join(credentials, "good.password"), password+"\n", 0o400)
	f := folder{path: dir, credentials: credentials}
	want := map[string]string{"bad": "mtu", "good": "", "link": "regular", "secret": "chmod 600", "shared": "chmod go-w"}
	list := f.list()
	if len(list) != len(want) {
		t.Errorf("%+v", list)
	}
	for _, p := range list {
		problem, ok := want[p.Name]
		if !ok || (p.Problem == "") != (problem == "") || !strings.Contains(p.Problem, problem) || strings.Contains(p.Problem, "canary") {
			t.Errorf("%+v", p)
		}
		if p.Name == "good" && (!p.Autoconnect || p.Gateway != "192.0.2.1") {
			t.Errorf("%+v", p)
		}
	}
	p, err := f.resolve("good")
	check(t, err)
	if string(p.Password) != password || p.Name != "good" {
		t.Errorf("%+v", p)
	}
	for _, name := range []string{"nowhere", "../good", "", "readme.txt"} {
		if _, err := f.read(name); !errors.Is(err, profile.ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if (folder{}).list() != nil {
		t.Error("profiles from nowhere")
	}
	// Nobody else may exchange what is in the folder.
	check(t, os.Chmod(dir, 0o777))
	if _, err := f.read("good"); err == nil || !strings.Contains(err.Error(), dir) {
		t.Error(err)
	}
	check(t, os.Chmod(dir, 0o755))
	if os.Geteuid() != 0 {
		t.Skip("whose files these are is tried by root only")
	}
	check(t, os.Chown(filepath.Join(dir, "good.toml"), 1001, 1001))
	if _, err := f.read("good"); err == nil || !strings.Contains(err.Error(), "chown root") {
		t.Error(err)
	}
}

// TestSystemProfile: everybody sees it and its connection; its question only who may
// answer it.
func TestSystemProfile(t *testing.T) {
	gateway := startGateway(t)
	dir := t.TempDir()
	d := document("office", gateway, false)
	write(t, filepath.Join(dir, "office.toml"), d.TOML+"secret = \""+groupKey+"\"\n", 0o600)
	m := shared(newManager(t, func(c *Config) { c.Profiles = dir }))
	m.config.Mode = localapi.ModeUser // for a proxy in place of a device
	for _, c := range []localapi.Caller{root, alice, stranger} {
		if list, err := m.Profiles(c); err != nil || len(list) != 1 || list[0].Name != "office" || list[0].Gateway != gateway.String() {
			t.Errorf("%s: %+v, %v", c.Name, list, err)
		}
	}
	if _, err := m.Connect(t.Context(), stranger, localapi.ConnectRequest{Profile: "office"}); code(err) != localapi.CodeNotPermitted {
		t.Error(err)
	}
	id := connect(t, m, alice, localapi.ConnectRequest{Profile: "office"})
	asked := untilAsked(t, m, alice, id)
	if bob := untilAsked(t, m, bob, id); bob.Prompt.ID != asked.Prompt.ID {
		t.Error("those who control it don't see it")
	}
	if s, _ := m.Snapshot(stranger); len(s.Tunnels) != 1 || s.Tunnels[0].Prompt != nil || s.Control || s.Tunnels[0].Owner != "" {
		t.Errorf("%+v", s)
	}
	answers := map[string]localapi.Octets{"password": localapi.Octets(password)}
	request := localapi.AnswerRequest{Tunnel: id, Prompt: asked.Prompt.ID, Answers: answers}
	if err := m.Answer(t.Context(), stranger, request); code(err) != localapi.CodeNotPermitted {
		t.Error(err)
	}
	check(t, m.Answer(t.Context(), bob, request))
	untilState(t, m, stranger, id, client.Up)
	for _, err := range []error{
		m.Disconnect(t.Context(), stranger, localapi.TunnelRequest{Tunnel: id}), m.Reconnect(t.Context(), stranger, localapi.TunnelRequest{Tunnel: id}),
		m.Disconnect(t.Context(), stranger, localapi.TunnelRequest{All: true}),
	} {
		if code(err) != localapi.CodeNotPermitted {
			t.Error(err)
		}
	}
	check(t, m.Disconnect(t.Context(), bob, localapi.TunnelRequest{Tunnel: id}))
}

// TestAutoconnect: it is kept connected from Reload on, until somebody says no more.
func TestAutoconnect(t *testing.T) {
	gateway := startGateway(t)
	dir := t.TempDir()
	good := document("x", gateway, true).TOML + "autoconnect = true\nsecret = \"" + groupKey + "\"\n"
	write(t, filepath.Join(dir, "good.toml"), good+"password = \""+password+"\"\n", 0o600)
	write(t, filepath.Join(dir, "asks.toml"), good, 0o600)
	write(t, filepath.Join(dir, "off.toml"), gatewayLine, 0o600)
	write(t, filepath.Join(dir, "bad.toml"), gatewayLine+"autoconnect = 7\n", 0o600)
	m := newManager(t, func(c *Config) { c.Profiles = dir })
	m.pause = time.Millisecond
	m.Reload()
	m.Reload()
	untilState(t, m, root, "good", client.Up)
	if st := untilState(t, m, root, "asks", client.Failed); st.Reason.Code != "input_needed" {
		t.Errorf("%+v", st.Reason)
	}
	// It dies: it is connected anew.
	m.mu.Lock()
	p := m.tunnels["good"].process.cmd.Process
	m.mu.Unlock()
	check(t, p.Kill())
	until(t, m, root, "connected anew", func(s localapi.Snapshot) bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		now := m.tunnels["good"]
		return now != nil && now.status.State == client.Up && now.process != nil && now.process.cmd.Process.Pid != p.Pid
	})
	check(t, m.Disconnect(t.Context(), root, localapi.TunnelRequest{All: true}))
	until(t, m, root, "left alone", func(s localapi.Snapshot) bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.auto) == 0 && len(m.tunnels) == 0
	})
	m.Reload()
	untilState(t, m, root, "good", client.Up)
	if s, _ := m.Snapshot(root); find(s, "off") != nil || find(s, "bad") != nil {
		t.Errorf("%+v", s.Tunnels)
	}
}
