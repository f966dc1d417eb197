package localapi

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"postern/client/prompt"
)

var update = flag.Bool("update", false, "write the golden files and openapi.json anew")

// patient bounds the wait for what happens at once on an idle machine.
const patient = time.Minute

// desk is a Backend for tests: it shows one snapshot, and keeps what it is asked.
type desk struct {
	mu      sync.Mutex
	snap    Snapshot
	changed chan struct{}
	looks   int // at the snapshot
	asked   []any
	callers []Caller
	err     error // of all calls, but those that can't fail
	lines   []LogLine
	during  func(ctx context.Context) // a call
}

func newDesk(s Snapshot) *desk { return &desk{snap: s, changed: make(chan struct{})} }

// show changes the snapshot.
func (d *desk) show(f func(*Snapshot)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.snap.Tunnels = slices.Clone(d.snap.Tunnels) // others hold the old ones
	f(&d.snap)
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *desk) Snapshot(c Caller) (Snapshot, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.looks++
	d.callers = append(d.callers, c)
	return d.snap, d.changed
}

// ask keeps a request as JSON, whose octets are the server's to clear.
func (d *desk) ask(ctx context.Context, c Caller, request any) error {
	if d.during != nil {
		d.during(ctx)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	b, err := json.Marshal(request)
	if err != nil {
		return err
	}
	d.asked = append(d.asked, string(b))
	d.callers = append(d.callers, c)
	return d.err
}

func (d *desk) Profiles(c Caller) ([]ProfileInfo, error) {
	err := d.ask(context.Background(), c, "profiles")
	return []ProfileInfo{{Name: "office", Gateway: "vpn.example.org"}, {Name: "broken", Problem: "line 3: unknown key \"gatway\""}}, err
}

func (d *desk) Connect(ctx context.Context, c Caller, r ConnectRequest) (ConnectReply, error) {
	return ConnectReply{ID: r.Profile}, d.ask(ctx, c, r)
}

func (d *desk) Disconnect(ctx context.Context, c Caller, r TunnelRequest) error {
	return d.ask(ctx, c, r)
}

func (d *desk) Reconnect(ctx context.Context, c Caller, r TunnelRequest) error {
	return d.ask(ctx, c, r)
}
func (d *desk) Answer(ctx context.Context, c Caller, r AnswerRequest) error { return d.ask(ctx, c, r) }

func (d *desk) Log(ctx context.Context, c Caller, r LogRequest, line func(LogLine) error) error {
	for _, l := range d.lines {
		if err := line(l); err != nil {
			return err
		}
	}
	if r.Follow {
		<-ctx.Done()
	}
	return d.ask(ctx, c, r)
}

func (d *desk) Probe(ctx context.Context, c Caller, r ProbeRequest) (*ProbeReport, error) {
	return &ProbeReport{
		Schema: 1, Host: r.Host, Address: "192.0.2.1", Ports: []ProbePort{{Port: 500, Answer: "answers"}},
		MainMode: ProbeMode{Answer: "accepts", Accepted: []ProbeProposal{{Proposal: "3des-sha1-modp1024", Weak: []string{"3DES is old."}}}},
		Vendors:  []ProbeVendor{{ID: "09002689dfd6b712", Name: "XAuth"}},
	}, d.ask(ctx, c, r)
}

func (d *desk) Doctor(ctx context.Context, c Caller, r DoctorRequest) (*DoctorReport, error) {
	return &DoctorReport{
		Schema: 1, Time: moment, Version: "1.2.3", System: "linux", Verdict: VerdictOK,
		Checks: []Check{{ID: "clock", Title: "The clock", Verdict: VerdictOK, Found: "It is right."}},
	}, d.ask(ctx, c, r)
}

// moment is when everything in an example happens.
var moment = time.Date(2026, 11, 21, 8, 30, 0, 0, time.UTC)

// example is a snapshot with one of everything.
func example() Snapshot {
	up := Status{
		Schema: 1, Profile: "office", State: Up, Since: moment,
		Gateway: &GatewayStatus{Name: "vpn.example.org", Address: netip.MustParseAddrPort("192.0.2.1:4500")},
		IKE: &IKEStatus{
			Mode: "main", Proposal: "aes256-sha256-modp2048", Authentication: "xauth-psk", Peer: "vpn.example.org",
			Vendors: []string{"Cisco Unity"}, NAT: "us", Since: moment, Expires: moment.Add(8 * time.Hour),
			Certificate: &CertificateStatus{Subject: "CN=vpn", Issuer: "CN=ca", NotBefore: moment, NotAfter: moment.AddDate(1, 0, 0), Fingerprint: "sha256:00"},
		},
		Tunnel: &TunnelStatus{
			Since: moment, Interface: "postern0", Address: netip.MustParseAddr("10.20.1.7"), MTU: 1400, Encapsulation: "udp",
			Networks: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16")}, Exclude: []netip.Prefix{netip.MustParsePrefix("10.20.9.0/24")},
			Rule: "the gateway's split networks", DNS: []netip.Addr{netip.MustParseAddr("10.20.0.53")}, Domains: []string{"example.org"},
			Resolver: "systemd-resolved", Banner: "Welcome.\nBe good.",
		},
		SAs: []SAStatus{{
			Inbound: "0x0badcafe", Outbound: "0x00c0ffee", Suite: "aes256-sha256", Local: "10.20.1.7/32", Remote: "10.20.0.0/16",
			Since: moment, Rekey: moment.Add(50 * time.Minute), Expires: moment.Add(time.Hour),
			In: TrafficCount{Packets: 3, Octets: 1234}, Out: TrafficCount{Packets: 2, Octets: 99},
		}},
		Traffic:  &TrafficStatus{In: TrafficCount{Packets: 3, Octets: 1234, Dropped: map[string]uint64{"replay": 1, "integrity": 2}}, Out: TrafficCount{Packets: 2, Octets: 99}},
		Warnings: []string{"3DES is old."},
	}
	asking := Status{
		Schema: 1, Profile: "home", State: WaitingForInput, Since: moment,
		Prompt: &prompt.Prompt{
			ID: 4, Title: "home: log in", Message: "Say who you are.", Deadline: moment.Add(time.Minute),
			Fields: []prompt.Field{{Name: "user", Label: "User name", Kind: prompt.Text, Max: 64, Default: "alice"}, {Name: "password", Label: "Password", Kind: prompt.Secret, Min: 1}},
		},
	}
	failed := Status{
		Schema: 1, Profile: "old", State: Failed, Since: moment,
		Reason:  &Reason{Code: "no_answer", Message: "The gateway doesn't answer.", Try: "Check gateway.", Exit: ExitTimeout, Detail: "main mode: no answer to message 1 in 31 s"},
		VPN5000: &VPN5000Status{RADIUS: "PAP", SaveSecrets: true, Keepalive: 2 * time.Minute, Backup: []string{"192.0.2.9"}, LeastVersion: "5.0"},
	}
	return Snapshot{
		Schema: 1, Version: "1.2.3", Mode: ModeSystem, Control: true,
		Tunnels: []Tunnel{{ID: "1000:home", Owner: "alice", Status: asking}, {ID: "office", Status: up}, {ID: "old", Status: failed}},
	}
}

// serve runs a Server on a Unix socket and returns that.
func serve(t testing.TB, b Backend, o Options) (socket string) {
	t.Helper()
	// A socket's path has 107 octets at most, which t.TempDir may use up.
	dir, err := os.MkdirTemp("", "postern")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(dir, "sock")
	l, err := Listen(socket, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	if o.Version == "" {
		o.Version = "1.2.3"
	}
	s := NewServer(b, o)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patient)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error("shutdown:", err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return socket
}

// reach returns a Client whose calls are held against openapi.json.
func reach(t testing.TB, socket string) *Client {
	t.Helper()
	c := New(socket)
	c.http.Transport = &checked{t: t, inner: c.http.Transport}
	t.Cleanup(c.Close)
	return c
}

// raw sends octets on a connection of their own and returns what comes until it ends.
func raw(t testing.TB, socket string, request []byte) []byte {
	t.Helper()
	c, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patient))
	_, _ = c.Write(request) // the server may end it before
	_ = c.(*net.UnixConn).CloseWrite()
	var answer bytes.Buffer
	_, _ = answer.ReadFrom(c)
	return answer.Bytes()
}

// golden compares with a file of testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; with -update it is written anew:\n%s", path, got)
	}
}

var _ http.RoundTripper = (*checked)(nil)
