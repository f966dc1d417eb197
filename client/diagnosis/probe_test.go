package diagnosis

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/client/localapi"
	"postern/client/profile"
	"postern/ike"
	"postern/ike/isakmp"
)

var (
	gatewayAddr = netip.MustParseAddr("192.0.2.1")
	ours        = netip.MustParseAddrPort("192.0.2.10:40000")
)

const latency = 10 * time.Millisecond

// bench is a probe's way to a gateway in virtual time.
type bench struct {
	t      *testing.T
	router *ike.Router
	inbox  chan ike.Datagram

	// answer, if not nil, is asked before the gateway; it returns datagrams, and
	// whether the gateway hears the question too.
	answer func(octets []byte, to ike.Path) ([][]byte, bool)
	closed func(port uint16) bool

	mu       sync.Mutex
	sent     []time.Time
	octets   [][]byte
	inFlight int
	refused  uint64
}

// newBench makes a gateway of cfg; the zero Config is silence. It is called in a
// bubble.
func newBench(t *testing.T, cfg ike.Config) *bench {
	b := &bench{t: t, inbox: make(chan ike.Datagram, 64)}
	b.router = ike.NewRouter(func(msg []byte, to ike.Path) error {
		b.deliver(msg, ike.Path{Local: to.Remote, Remote: to.Local, Marker: to.Marker})
		return nil
	})
	if len(cfg.Proposals) == 0 {
		return b
	}
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			w, err := b.router.Next(ctx)
			if err != nil {
				return
			}
			serving.Go(func() { _, _ = ike.Accept(ctx, w, cfg) })
		}
	})
	t.Cleanup(func() {
		cancel()
		serving.Wait()
		b.router.Close()
	})
	return b
}

func (b *bench) deliver(msg []byte, from ike.Path) {
	msg = slices.Clone(msg)
	time.AfterFunc(latency, func() { b.inbox <- ike.Datagram{Octets: msg, From: from} })
}

func (b *bench) send(msg []byte, to ike.Path) error {
	msg = slices.Clone(msg)
	b.mu.Lock()
	b.sent = append(b.sent, time.Now())
	b.octets = append(b.octets, msg)
	if b.closed != nil && b.closed(to.Remote.Port()) {
		b.refused++
	}
	b.mu.Unlock()
	if b.answer != nil {
		answers, goOn := b.answer(msg, to)
		for _, a := range answers {
			b.deliver(a, to)
		}
		if !goOn {
			return nil
		}
	}
	from := ike.Path{Local: to.Remote, Remote: ours, Marker: to.Marker}
	time.AfterFunc(latency, func() { b.router.Deliver(msg, from) })
	return nil
}

func (b *bench) refusals() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refused
}

// probe runs a probe and holds it to the limits.
func (b *bench) probe(request localapi.ProbeRequest) *localapi.ProbeReport {
	b.t.Helper()
	request.Host = gatewayAddr.String()
	g, ids, err := parseRequest(request)
	if err != nil {
		b.t.Fatal(err)
	}
	began := time.Now()
	p := newProber(&asker{limits: politely, send: b.send, inbox: b.inbox, refusals: b.refusals}, netip.AddrPortFrom(gatewayAddr, g.Port), ids)
	p.report.Host = g.String()
	r, err := p.run(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	if took := time.Since(began); took > politely.total+time.Second {
		b.t.Errorf("took %v", took)
	}
	if len(b.sent) > politely.datagrams || r.HalfOpen > politely.halfOpen {
		b.t.Errorf("%d datagrams, %d exchanges left open", len(b.sent), r.HalfOpen)
	}
	if r.Sent != len(b.sent) {
		b.t.Errorf("says it sent %d, not %d", r.Sent, len(b.sent))
	}
	if r.Profile != "" {
		if _, err := profile.Parse([]byte(r.Profile), "suggested.toml"); err != nil {
			b.t.Errorf("the suggested lines: %v\n%s", err, r.Profile)
		}
	}
	return r
}

func proposals(t *testing.T, names ...string) (ps []ike.Proposal) {
	t.Helper()
	for _, family := range families() {
		for _, p := range family {
			if slices.Contains(names, p.String()) {
				ps = append(ps, p)
			}
		}
	}
	if len(ps) != len(names) {
		t.Fatalf("not all of %v are asked for", names)
	}
	return ps
}

func accepted(m localapi.ProbeMode) (names []string) {
	for _, p := range m.Accepted {
		names = append(names, p.Proposal)
	}
	return names
}

func staff(h ike.Hello) []ike.Group {
	if h.Identity != nil && string(h.Identity.Data) != "staff" {
		return nil
	}
	return []ike.Group{{Name: "staff", Secret: []byte("canary group key")}}
}

func TestProbeMainMode(t *testing.T) {
	for _, c := range []struct {
		name      string
		proposals []string
		methods   []isakmp.AuthMethod
		want      []string
		profile   string
	}{
		{
			name: "one of each strength", proposals: []string{"3des-md5-modp1024", "aes256-sha256-modp2048", "aes128-sha1-modp1536"},
			methods: []isakmp.AuthMethod{isakmp.AuthXAuthInitPSK},
			want:    []string{"aes256-sha256-modp2048", "aes128-sha1-modp1536", "3des-md5-modp1024"},
			profile: `gateway = "192.0.2.1"
mode = "main"
auth = "psk"
xauth = true
ike = [
  "aes256-sha256-modp2048",
  "aes128-sha1-modp1536",
]
nat_traversal = "auto" # RFC 3947
`,
		},
		{
			name: "only what is broken", proposals: []string{"des-md5-modp768"}, methods: []isakmp.AuthMethod{isakmp.AuthPSK},
			want: []string{"des-md5-modp768"},
			profile: `gateway = "192.0.2.1"
mode = "main"
auth = "psk"
xauth = false
ike = [
  "des-md5-modp768", # weak: DES is broken: its keys can be found in a day. MD5 is outdated. The Diffie-Hellman group MODP768 is broken.
]
nat_traversal = "auto" # RFC 3947
`,
		},
		{
			name: "what nobody asks for first", proposals: []string{"aes256-sha384-ecp384", "aes256-sha512-ecp521"}, methods: []isakmp.AuthMethod{isakmp.AuthPSK},
			want: []string{"aes256-sha512-ecp521", "aes256-sha384-ecp384"},
			profile: `gateway = "192.0.2.1"
mode = "main"
auth = "psk"
xauth = false
ike = [
  "aes256-sha512-ecp521",
  "aes256-sha384-ecp384",
]
nat_traversal = "auto" # RFC 3947
`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, ike.Config{Methods: c.methods, Proposals: proposals(t, c.proposals...), Groups: staff, Lifetime: 24 * time.Hour})
				r := b.probe(localapi.ProbeRequest{})
				if diff := cmp.Diff(c.want, accepted(r.MainMode)); diff != "" {
					t.Errorf("accepted: %s", diff)
				}
				if !r.MainMode.Complete || r.MainMode.Answer != accepts {
					t.Errorf("complete %v, %s", r.MainMode.Complete, r.MainMode.Answer)
				}
				if diff := cmp.Diff(c.profile, r.Profile); diff != "" {
					t.Errorf("profile: %s", diff)
				}
				if len(r.MainMode.Methods) != 1 || !r.DPD || !slices.Contains(r.NATTraversal, "RFC 3947") {
					t.Errorf("%+v", r)
				}
				if diff := cmp.Diff([]localapi.ProbePort{{Port: 500, Answer: "answers"}, {Port: 4500, Answer: "answers"}}, r.Ports); diff != "" {
					t.Error(diff)
				}
				for i := range b.sent {
					if i > 0 && b.sent[i].Sub(b.sent[i-1]) < politely.pause && !isFarewell(b.octets[i]) {
						t.Errorf("datagram %d is %v behind the one before", i, b.sent[i].Sub(b.sent[i-1]))
					}
				}
				t.Logf("%d datagrams in %v; %q", r.Sent, r.Took, r.Notes)
			})
		})
	}
}

func isFarewell(octets []byte) bool {
	h, err := isakmp.ParseHeader(octets)
	return err == nil && h.Exchange == isakmp.ExchangeInformational
}

func TestProbeAggressiveModeOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := ike.Config{
			Modes: []ike.Mode{ike.Aggressive}, Methods: []isakmp.AuthMethod{isakmp.AuthXAuthInitPSK}, Groups: staff,
			Proposals: proposals(t, "3des-sha1-modp1024", "aes128-sha1-modp1024"), Lifetime: time.Hour,
			Identity: isakmp.ID{Type: isakmp.IDFQDN, Data: []byte("gateway.example")},
		}
		t.Log("without an identity")
		r := newBench(t, cfg).probe(localapi.ProbeRequest{})
		if r.AggressiveMode != nil || r.Profile != "" || !strings.Contains(strings.Join(r.Notes, " "), "--identity") {
			t.Errorf("%+v", r)
		}
		t.Log("with it")
		b := newBench(t, cfg)
		r = b.probe(localapi.ProbeRequest{Identity: "staff"})
		if diff := cmp.Diff([]string{"aes128-sha1-modp1024", "3des-sha1-modp1024"}, accepted(*r.AggressiveMode)); diff != "" {
			t.Error(diff)
		}
		if !r.OfflineGuessing || r.Identity != "gateway.example (ID_FQDN)" && r.Identity != "gateway.example (FQDN)" {
			t.Errorf("offline guessing %v, identity %q", r.OfflineGuessing, r.Identity)
		}
		want := `gateway = "192.0.2.1"
mode = "aggressive"
identity = "staff"
identity_type = "key-id"
auth = "psk"
xauth = true
ike = [
  "aes128-sha1-modp1024", # weak: The Diffie-Hellman group MODP1024 is within reach of a rich attacker.
  "3des-sha1-modp1024", # weak: 3DES is outdated: its blocks are too small for much traffic. The Diffie-Hellman group MODP1024 is within reach of a rich attacker.
]
nat_traversal = "auto" # RFC 3947
`
		if diff := cmp.Diff(want, r.Profile); diff != "" {
			t.Error(diff)
		}
	})
}
