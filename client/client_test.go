package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/client"
	"postern/client/concentrator"
	"postern/client/profile"
	"postern/client/prompt"
)

// Secrets that must turn up nowhere.
const (
	groupKey = "canary-group-key-7f31"
	password = "canary-password-90aa"
)

const gatewayConfig = `
[ General ]
InsideAddress = 10.20.0.1/24
[ IKE Policy ]
Protection = aes256-sha256-modp2048
[ VPN Group "staff" ]
SharedKey = "` + groupKey + `"
Transform = aes128-sha1
StartIPAddress = 10.20.0.10
MaxConnections = 5
IPNet = 10.20.0.0/24
Banner = "Welcome"
[ VPN Users ]
"alice" Config="staff" Password="` + password + `"
`

// startGateway runs a concentrator on loopback; address may name the port.
func startGateway(t *testing.T, address string) *concentrator.Gateway {
	t.Helper()
	cfg, err := concentrator.ParseConfig([]byte(gatewayConfig), "test.conf")
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, cfg, address)
}

func serve(t *testing.T, cfg *concentrator.Config, address string) *concentrator.Gateway {
	t.Helper()
	g, err := concentrator.New(cfg, concentrator.Options{Port: netip.MustParseAddrPort(address), Netstack: true})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.Serve(context.Background()) }()
	t.Cleanup(func() {
		g.Close()
		if err := <-served; err != nil {
			t.Error("gateway:", err)
		}
	})
	return g
}

func testProfile(t *testing.T, gateway netip.AddrPort, more string) *profile.Profile {
	t.Helper()
	p, err := profile.Parse(fmt.Appendf(nil, `
gateway = "%v"
identity = "staff"
secret = %q
user = "alice"
esp = ["aes128-sha1"]
%s
`, gateway, groupKey, more), "test.toml")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// connection is a Client that runs.
type connection struct {
	*client.Client
	t     *testing.T
	stop  context.CancelFunc
	ended chan error
	log   *safeBuffer
}

func connect(t *testing.T, p *profile.Profile, ask prompt.Func) *connection {
	t.Helper()
	return connectIn(t, "", p, ask)
}

// connectIn is connect with a folder for what is remembered.
func connectIn(t *testing.T, stateDir string, p *profile.Profile, ask prompt.Func) *connection {
	t.Helper()
	log := &safeBuffer{}
	c := &connection{t: t, ended: make(chan error, 1), log: log}
	c.Client = client.New(p, client.Options{
		Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Ask: ask, StateDir: stateDir, Rootless: &client.Rootless{Proxy: "127.0.0.1:0"},
	})
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	go func() { c.ended <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return c
}

// await waits for a state.
func (c *connection) await(want client.State) client.Status {
	c.t.Helper()
	limit := time.After(time.Minute)
	for {
		st, changed := c.Watch()
		if st.State == want {
			return st
		}
		select {
		case <-changed:
		case err := <-c.ended:
			c.t.Fatalf("ended in place of %s: %v", want, err)
		case <-limit:
			c.t.Fatalf("not %s, but %s", want, st.State)
		}
	}
}

// end stops the client and returns what Run did.
func (c *connection) end() error {
	c.stop()
	select {
	case err := <-c.ended:
		return err
	case <-time.After(time.Minute):
		c.t.Fatal("doesn't end")
		return nil
	}
}

// page fetches the page behind the gateway.
func (c *connection) page() string {
	c.t.Helper()
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "socks5", Host: c.Status().Tunnel.Proxy}), DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Get("http://10.20.0.1/")
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(body)
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func stored(t *testing.T, g netip.AddrPort, more string) *profile.Profile {
	return testProfile(t, g, fmt.Sprintf("password = %q\n%s", password, more))
}

func TestConnectUseAndEnd(t *testing.T) {
	for _, mode := range []string{"main", "aggressive"} {
		t.Run(mode, func(t *testing.T) {
			g := startGateway(t, "127.0.0.1:0")
			c := connect(t, stored(t, g.Addr(), fmt.Sprintf("mode = %q\nike = [\"aes256-sha256-modp2048\"]", mode)), nil)
			st := c.await(client.Up)
			if st.IKE.Mode != mode+" mode" || st.IKE.Proposal != "aes256-sha256-modp2048" || len(st.SAs) != 1 || st.SAs[0].Suite != "aes128-sha1" {
				t.Errorf("status %+v, %+v", st.IKE, st.SAs)
			}
			if tu := st.Tunnel; tu.Address.String() != "10.20.0.10" || fmt.Sprint(tu.Networks) != "[10.20.0.0/24]" || tu.Banner != "Welcome" || tu.Encapsulation != "udp" {
				t.Errorf("tunnel %+v", tu)
			}
			if body := c.page(); !strings.Contains(body, "alice") {
				t.Errorf("the page doesn't know us: %s", body)
			}
			if st := c.Status(); st.Traffic.In.Octets == 0 || st.Traffic.Out.Octets == 0 || st.SAs[0].In.Packets == 0 {
				t.Errorf("nothing counted: %+v", st.Traffic)
			}
			if err := c.end(); err != nil {
				t.Error(err)
			}
			if st := c.Status(); st.State != client.Down || st.Tunnel != nil {
				t.Errorf("after the end: %+v", st)
			}
			eventually(t, "the gateway forgets us", func() bool { return len(g.Sessions()) == 0 })
		})
	}
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not so in a minute: " + what)
		}
	}
}

// Whoever reads logs, statuses or errors learns no secret, at debug level neither.
func TestSecretsStayInside(t *testing.T) {
	g := startGateway(t, "127.0.0.1:0")
	for _, more := range []string{"", "mode = \"aggressive\"\nike = [\"aes256-sha256-modp2048\"]"} {
		c := connect(t, stored(t, g.Addr(), more), nil)
		st := c.await(client.Up)
		text, err := json.Marshal(st)
		if err != nil {
			t.Fatal(err)
		}
		c.page()
		if err := c.end(); err != nil {
			t.Error(err)
		}
		for _, secret := range []string{groupKey, password} {
			if strings.Contains(c.log.String(), secret) || strings.Contains(string(text), secret) {
				t.Errorf("%q was told", secret)
			}
		}
		if !strings.Contains(c.log.String(), "HDR*, IDii, HASH_I") && !strings.Contains(c.log.String(), "HDR, SA, KE, Ni, IDii") {
			t.Error("this log has no messages in it")
		}
	}
}

func TestRefusals(t *testing.T) {
	g := startGateway(t, "127.0.0.1:0")
	unknown := stored(t, g.Addr(), "mode = \"aggressive\"\nike = [\"aes256-sha256-modp2048\"]")
	unknown.Identity = "nobody"
	for _, c := range []struct {
		name    string
		profile *profile.Profile
		ask     prompt.Func
		code    string
		exit    int
	}{
		{"wrong password", testProfile(t, g.Addr(), `password = "wrong"`), nil, "login_refused", 2},
		{"no password and nobody to ask", testProfile(t, g.Addr(), ""), nil, "input_needed", 6},
		{"a person who gives up", testProfile(t, g.Addr(), ""), func(context.Context, prompt.Prompt) (prompt.Answers, error) {
			return nil, prompt.ErrCancelled
		}, "cancelled", 130},
		{"unknown group", unknown, nil, "identity_refused", 4},
		{"no proposal in common", stored(t, g.Addr(), `ike = ["aes128-sha512-modp3072"]`), nil, "no_proposal", 4},
		{"another gateway", stored(t, g.Addr(), `gateway_identity = "gw.example"`), nil, "wrong_gateway", 11},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, c.profile, c.ask)
			err := <-conn.ended
			var r *client.Reason
			if !errors.As(err, &r) || r.Code != c.code || r.Exit != c.exit {
				t.Errorf("%v (%+v), want %s", err, r, c.code)
			}
			if st := conn.Status(); st.State != client.Failed || st.Reason == nil {
				t.Errorf("status %+v", st)
			}
		})
	}
}

// A person is asked once; when the connection must be made anew the answer is
// still known.
func TestPersonIsAskedOnce(t *testing.T) {
	g := startGateway(t, "127.0.0.1:0")
	var asked atomic.Int32
	c := connect(t, testProfile(t, g.Addr(), ""), func(_ context.Context, p prompt.Prompt) (prompt.Answers, error) {
		asked.Add(1)
		out := prompt.Answers{}
		for _, f := range p.Fields {
			if f.Kind == prompt.Secret {
				out[f.Name] = prompt.Answer(password)
			}
		}
		return out, nil
	})
	before := c.await(client.Up).Tunnel.Since
	c.Reconnect()
	eventually(t, "a new tunnel", func() bool {
		tunnel := c.Status().Tunnel
		return tunnel != nil && tunnel.Since.After(before)
	})
	c.await(client.Up)
	c.page()
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	if err := c.end(); err != nil {
		t.Error(err)
	}
}

// A gateway that was restarted, and says no goodbye, is found again.
func TestGatewayRestarts(t *testing.T) {
	g := startGateway(t, "127.0.0.1:0")
	address := g.Addr().String()
	c := connect(t, stored(t, g.Addr(), `dpd = "1s"`), nil)
	c.await(client.Up)
	g.Close() // this one says goodbye
	eventually(t, "the client knows", func() bool { return c.Status().State != client.Up })
	startGateway(t, address)
	c.await(client.Up)
	c.page()
	if err := c.end(); err != nil {
		t.Error(err)
	}
}

// Where the proxy's port is taken by then, a free one serves if the person named none.
func TestProxyPortIsTaken(t *testing.T) {
	g := startGateway(t, "127.0.0.1:0")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, anyPort := range []bool{true, false} {
		c := &connection{t: t, ended: make(chan error, 1), log: &safeBuffer{}}
		c.Client = client.New(stored(t, g.Addr(), ""), client.Options{Rootless: &client.Rootless{Proxy: taken.Addr().String(), AnyPort: anyPort}})
		ctx, cancel := context.WithCancel(t.Context())
		c.stop = cancel
		go func() { c.ended <- c.Run(ctx) }()
		if !anyPort {
			if err := <-c.ended; err == nil {
				t.Error("the port that was named is another's, and nobody says so")
			}
			continue
		}
		if st := c.await(client.Up); st.Tunnel.Proxy == taken.Addr().String() {
			t.Errorf("the proxy is said to be at %s", st.Tunnel.Proxy)
		}
		c.page()
		if err := c.end(); err != nil {
			t.Error(err)
		}
	}
}

// Children are renewed before they expire, and not one datagram is lost on the way.
func TestChildrenAreRenewed(t *testing.T) {
	if testing.Short() {
		t.Skip("takes twenty seconds")
	}
	g := startGateway(t, "127.0.0.1:0")
	p := stored(t, g.Addr(), "")
	p.Lifetime.ESP = 12 * time.Second // a busy machine needs a second for a renewal
	log := &safeBuffer{}
	c := &connection{t: t, ended: make(chan error, 1), log: log}
	c.Client = client.New(p, client.Options{
		Log:      slog.New(slog.NewTextHandler(log, nil)),
		Rootless: &client.Rootless{Forwards: []string{"127.0.0.1:0:10.20.0.1:7"}},
	})
	ctx, cancel := context.WithCancel(t.Context())
	c.stop = cancel
	go func() { c.ended <- c.Run(ctx) }()
	st := c.await(client.Up)
	conn, err := net.Dial("tcp", st.Tunnel.Forwards[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	seen := map[string]bool{}
	buffer := make([]byte, 5)
	for i, end := 0, time.Now().Add(3*time.Minute); len(seen) < 3 && time.Now().Before(end); i++ {
		message := fmt.Sprintf("%05d", i)
		if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write([]byte(message)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, buffer); err != nil || string(buffer) != message {
			t.Fatalf("%s came back as %q, %v\n%s", message, buffer, err, log)
		}
		for _, sa := range c.Status().SAs {
			seen[sa.Inbound] = true
		}
		time.Sleep(20 * time.Millisecond)
	}
	if len(seen) < 3 {
		t.Errorf("only %d children", len(seen))
	}
	eventually(t, "all that one end sent reached the other", func() bool {
		ours, theirs := c.Status().Traffic, g.Sessions()[0]
		return ours.In.Octets == theirs.Out && ours.Out.Octets == theirs.In
	})
	t.Logf("ours %+v, the gateway's %+v", c.Status().Traffic, g.Sessions())
	if d := c.Status().Traffic.In.Dropped; len(d) > 0 {
		t.Errorf("dropped: %v", d)
	}
	if err := c.end(); err != nil {
		t.Error(err)
	}
}
