package service

import (
	"context"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"postern/client"
	"postern/client/localapi"
)

// TestTwoPeople: two people, three tunnels, one of which crashes: each is told the truth
// about theirs, and nothing of the others'.
func TestTwoPeople(t *testing.T) {
	gateway := startGateway(t)
	m := shared(newManager(t, nil))
	a1 := connect(t, m, alice, localapi.ConnectRequest{Document: document("office", gateway, true)})
	a2 := connect(t, m, alice, localapi.ConnectRequest{Document: as("carol", document("lab", gateway, true))})
	b := connect(t, m, bob, localapi.ConnectRequest{Document: as("bob", document("office", gateway, true))})
	if a1 != "1001:office" || a2 != "1001:lab" || b != "1002:office" {
		t.Fatal(a1, a2, b)
	}
	first := untilState(t, m, alice, a1, client.Up)
	second := untilState(t, m, alice, a2, client.Up)
	third := untilState(t, m, bob, b, client.Up)
	if first.Owner != "alice" || third.Owner != "bob" {
		t.Errorf("owners %q, %q", first.Owner, third.Owner)
	}
	if addresses := []string{first.Tunnel.Proxy, second.Tunnel.Proxy, third.Tunnel.Proxy}; len(slices.Compact(slices.Sorted(slices.Values(addresses)))) != 3 {
		t.Errorf("proxies %q", addresses)
	}

	m.mu.Lock()
	victim := m.tunnels[a1].process.cmd.Process
	m.mu.Unlock()
	if err := victim.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	dead := untilState(t, m, alice, a1, client.Failed)
	if dead.Reason == nil || dead.Reason.Code != "internal" || !strings.Contains(dead.Reason.Detail, "killed") || dead.Tunnel != nil || dead.Traffic != nil {
		t.Errorf("%+v %+v", dead.Reason, dead.Status)
	}
	for id, c := range map[string]localapi.Caller{a2: alice, b: bob} {
		if st := untilState(t, m, c, id, client.Up); st.Reason != nil {
			t.Errorf("%s: %v", id, st.Reason)
		}
	}
	fetch(t, second.Tunnel.Proxy)
	fetch(t, third.Tunnel.Proxy)
	until(t, m, bob, "counted", func(s localapi.Snapshot) bool {
		traffic := find(s, b).Traffic
		return traffic != nil && traffic.In.Octets > 0
	})

	for _, tt := range []struct {
		who  localapi.Caller
		want []string
	}{
		{alice, []string{a2, a1}},
		{bob, []string{b}},
		{root, []string{a2, a1, b}},
		{stranger, nil},
	} {
		s, _ := m.Snapshot(tt.who)
		var got []string
		for _, tunnel := range s.Tunnels {
			got = append(got, tunnel.ID)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s sees %q, want %q", tt.who.Name, got, tt.want)
		}
	}

	// The one that crashed is connected anew.
	if again := connect(t, m, alice, localapi.ConnectRequest{Document: document("office", gateway, true)}); again != a1 {
		t.Error(again)
	}
	untilState(t, m, alice, a1, client.Up)
}

// fetch gets the page behind the gateway.
func fetch(t *testing.T, proxy string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "socks5", Host: proxy}), DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://10.20.0.1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Error(answer.Status)
	}
}

// TestConnectTwice: a second Connect changes nothing, also while the first one is under
// way; after a Disconnect there is nothing left.
func TestConnectTwice(t *testing.T) {
	gateway := startGateway(t)
	m := newManager(t, nil)
	for range 3 {
		if id := connect(t, m, root, localapi.ConnectRequest{Document: document("office", gateway, true)}); id != "0:office" {
			t.Fatal(id)
		}
	}
	untilState(t, m, root, "0:office", client.Up)
	connect(t, m, root, localapi.ConnectRequest{Document: document("office", gateway, true)})
	if s, _ := m.Snapshot(root); len(s.Tunnels) != 1 || s.Tunnels[0].State != client.Up {
		t.Errorf("%+v", s.Tunnels)
	}
	if err := m.Disconnect(t.Context(), root, localapi.TunnelRequest{Tunnel: "office"}); err != nil {
		t.Fatal(err)
	}
	if s, _ := m.Snapshot(root); len(s.Tunnels) != 0 {
		t.Errorf("%+v", s.Tunnels)
	}
	if err := m.Disconnect(t.Context(), root, localapi.TunnelRequest{Tunnel: "office"}); code(err) != localapi.CodeNoSuchTunnel {
		t.Error(err)
	}
	// At once again, while the one before may still be ending.
	for range 3 {
		connect(t, m, root, localapi.ConnectRequest{Document: document("office", gateway, true)})
		go func() { _ = m.Disconnect(context.WithoutCancel(t.Context()), root, localapi.TunnelRequest{All: true}) }()
	}
	connect(t, m, root, localapi.ConnectRequest{Document: document("lab", gateway, true)})
}

// TestReconnect: a connection that is up is made anew.
func TestReconnect(t *testing.T) {
	gateway := startGateway(t)
	m := newManager(t, nil)
	id := connect(t, m, root, localapi.ConnectRequest{Document: document("office", gateway, true)})
	before := untilState(t, m, root, id, client.Up)
	if err := m.Reconnect(t.Context(), root, localapi.TunnelRequest{Tunnel: id}); err != nil {
		t.Fatal(err)
	}
	until(t, m, root, "connected anew", func(s localapi.Snapshot) bool {
		now := find(s, id)
		return now.State == client.Up && now.IKE.Since.After(before.IKE.Since)
	})
	if err := m.Reconnect(t.Context(), root, localapi.TunnelRequest{Tunnel: "nobody's"}); code(err) != localapi.CodeNoSuchTunnel {
		t.Error(err)
	}
}

// TestPrompt: a question is asked and answered over the API, and only by those who may.
func TestPrompt(t *testing.T) {
	gateway := startGateway(t)
	m := shared(newManager(t, nil))
	id := connect(t, m, alice, localapi.ConnectRequest{Document: document("office", gateway, false)})
	asked := untilAsked(t, m, alice, id)
	answer := func(c localapi.Caller, tunnel string, number uint64, answers map[string]localapi.Octets) error {
		return m.Answer(t.Context(), c, localapi.AnswerRequest{Tunnel: tunnel, Prompt: number, Answers: answers})
	}
	right := func() map[string]localapi.Octets {
		return map[string]localapi.Octets{"password": localapi.Octets(password)}
	}
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"another person", answer(bob, id, asked.Prompt.ID, right()), localapi.CodeNoSuchTunnel},
		{"a stranger", answer(stranger, id, asked.Prompt.ID, right()), localapi.CodeNoSuchTunnel},
		{"another prompt", answer(alice, id, asked.Prompt.ID+1, right()), localapi.CodeStalePrompt},
		{"no prompt", answer(alice, id, 0, right()), localapi.CodeStalePrompt},
		{"another question", answer(alice, id, asked.Prompt.ID, map[string]localapi.Octets{"pin": nil}), "answer"},
		{"too long", answer(alice, id, asked.Prompt.ID, map[string]localapi.Octets{"password": make(localapi.Octets, 9000)}), "answer"},
	} {
		if code(tt.err) != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, tt.err, tt.want)
		}
	}
	if err := answer(alice, "office", asked.Prompt.ID, right()); err != nil {
		t.Fatal(err)
	}
	untilState(t, m, alice, id, client.Up)
	if err := answer(alice, id, asked.Prompt.ID, right()); code(err) != localapi.CodeStalePrompt {
		t.Error(err)
	}
	// Of another connection of the same name every number is a new one.
	if err := m.Disconnect(t.Context(), alice, localapi.TunnelRequest{Tunnel: id}); err != nil {
		t.Fatal(err)
	}
	connect(t, m, alice, localapi.ConnectRequest{Document: document("office", gateway, false)})
	if again := untilAsked(t, m, alice, id); again.Prompt.ID == asked.Prompt.ID {
		t.Error("the same number twice")
	}
	if err := answer(alice, id, asked.Prompt.ID, right()); code(err) != localapi.CodeStalePrompt {
		t.Error(err)
	}
}

func untilAsked(t *testing.T, m *Manager, c localapi.Caller, id string) localapi.Tunnel {
	t.Helper()
	s := until(t, m, c, id+" asks", func(s localapi.Snapshot) bool {
		found := find(s, id)
		return found != nil && found.State == client.WaitingForInput && found.Prompt != nil
	})
	return *find(s, id)
}

// TestPromptEnds: a question ends with its connection, with a refusal to answer it, and
// where nobody may be asked it is none.
func TestPromptEnds(t *testing.T) {
	gateway := startGateway(t)
	m := newManager(t, nil)
	id := connect(t, m, root, localapi.ConnectRequest{Document: document("office", gateway, false)})
	asked := untilAsked(t, m, root, id)
	if err := m.Answer(t.Context(), root, localapi.AnswerRequest{Tunnel: id, Prompt: asked.Prompt.ID, Cancel: true}); err != nil {
		t.Fatal(err)
	}
	st := untilState(t, m, root, id, client.Failed)
	if st.Reason == nil || st.Reason.Code != "cancelled" || st.Prompt != nil {
		t.Errorf("%+v", st.Status)
	}
	connect(t, m, root, localapi.ConnectRequest{Document: document("office", gateway, false)})
	untilAsked(t, m, root, id)
	if err := m.Disconnect(t.Context(), root, localapi.TunnelRequest{Tunnel: id}); err != nil {
		t.Fatal(err)
	}
	connect(t, m, root, localapi.ConnectRequest{Document: document("office", gateway, false), NoPrompt: true})
	if st := untilState(t, m, root, id, client.Failed); st.Reason.Code != "input_needed" {
		t.Errorf("%+v", st.Reason)
	}
	once := map[string]localapi.Octets{"password": localapi.Octets(password)}
	connect(t, m, root, localapi.ConnectRequest{Document: document("office", gateway, false), NoPrompt: true, Secrets: once})
	untilState(t, m, root, id, client.Up)
}

// TestFailed: what failed stays with its reason until it is dismissed, and doesn't pile
// up.
func TestFailed(t *testing.T) {
	m := newManager(t, nil)
	broken := func(name string) *localapi.Document {
		return &localapi.Document{
			Name: name, TOML: "gateway = \"127.0.0.1:9\"\nsource_port = 500\nuser = \"x\"\nprime = 1\n",
		}
	}
	if _, err := m.Connect(t.Context(), root, localapi.ConnectRequest{Document: broken("a")}); code(err) != "profile" || !strings.Contains(err.Error(), ":4: prime") {
		t.Error(err)
	}
	if _, err := m.Connect(t.Context(), root, localapi.ConnectRequest{Profile: "nowhere"}); code(err) != localapi.CodeNoSuchProfile {
		t.Error(err)
	}
	fails := func(name string) *localapi.Document {
		return &localapi.Document{Name: name, TOML: "gateway = \"gateway.invalid\"\nuser = \"x\"\n", Secrets: map[string]localapi.Octets{"secret": localapi.Octets(groupKey)}}
	}
	for i := range tunnelsPerOwner + 2 {
		name := string(rune('a' + i))
		connect(t, m, root, localapi.ConnectRequest{Document: fails(name)})
		if st := untilState(t, m, root, "0:"+name, client.Failed); st.Reason == nil || st.Reason.Code != "name_not_found" {
			t.Fatalf("%+v", st.Reason)
		}
	}
	s, _ := m.Snapshot(root)
	if len(s.Tunnels) != tunnelsPerOwner || find(s, "0:a") != nil || find(s, "0:b") != nil {
		t.Errorf("%d tunnels", len(s.Tunnels))
	}
	if err := m.Disconnect(t.Context(), root, localapi.TunnelRequest{Tunnel: "c"}); err != nil {
		t.Error(err)
	}
	if s, _ := m.Snapshot(root); find(s, "0:c") != nil {
		t.Error("still there")
	}
	d, err := m.find(root, "d")
	if err != nil {
		t.Fatal(err)
	}
	<-d.ended
	if err := m.Reconnect(t.Context(), root, localapi.TunnelRequest{Tunnel: "d"}); code(err) != localapi.CodeNoSuchTunnel {
		t.Error(err)
	}
}

// TestTooMany: nobody has more connections than there is room for.
func TestTooMany(t *testing.T) {
	m := newManager(t, nil)
	for i := range tunnelsPerOwner {
		m.tunnels[string(rune('a'+i))] = &tunnel{m: m, id: string(rune('a' + i)), owner: 0, ended: make(chan struct{}), stop: func() {}}
	}
	if _, err := m.Connect(t.Context(), root, localapi.ConnectRequest{Document: &localapi.Document{Name: "x", TOML: "gateway = \"192.0.2.1\""}}); code(err) != localapi.CodeBusy {
		t.Error(err)
	}
	m.tunnels = map[string]*tunnel{}
}

// TestFault: a fault of the Manager's own is that connection's end and no other's.
func TestFault(t *testing.T) {
	m := newManager(t, nil)
	m.config.Worker = nil // calling it panics
	id := connect(t, m, root, localapi.ConnectRequest{Document: &localapi.Document{Name: "x", TOML: "gateway = \"192.0.2.1\""}})
	if st := untilState(t, m, root, id, client.Failed); st.Reason.Code != "internal" {
		t.Errorf("%+v", st.Reason)
	}
}

// TestNoWorker: a process that can't be started, says nothing or nonsense, is a failure
// of that connection.
func TestNoWorker(t *testing.T) {
	for _, program := range []string{"/nonexistent", "/bin/true", "/bin/echo"} {
		m := newManager(t, nil)
		m.config.Worker = func() *exec.Cmd { return exec.Command(program, "nonsense") }
		id := connect(t, m, root, localapi.ConnectRequest{Document: &localapi.Document{Name: "x", TOML: "gateway = \"192.0.2.1\""}})
		if st := untilState(t, m, root, id, client.Failed); st.Reason.Code != "internal" {
			t.Errorf("%s: %+v", program, st.Reason)
		}
	}
}

// TestManagerGone: when the Manager dies its connections end cleanly.
func TestManagerGone(t *testing.T) {
	gateway := startGateway(t)
	m := newManager(t, nil)
	id := connect(t, m, root, localapi.ConnectRequest{Document: document("office", gateway, true)})
	untilState(t, m, root, id, client.Up)
	m.mu.Lock()
	p := m.tunnels[id].process
	m.mu.Unlock()
	p.in.Close() // as the kernel does
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatal("it goes on")
	}
	if p.err != nil {
		t.Error(p.err)
	}
}
