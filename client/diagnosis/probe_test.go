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
	mute   func(octets []byte) bool // what the gateway never says

	mu      sync.Mutex
	sent    []time.Time
	octets  [][]byte
	refused uint64
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

// filter lets the gateway hear only some datagrams, and only its choices be heard.
func (b *bench) filter(hears func(octets []byte) bool) {
	b.answer = func(octets []byte, _ ike.Path) ([][]byte, bool) { return nil, hears(octets) }
}

func (b *bench) deliver(msg []byte, from ike.Path) {
	if b.mute != nil && b.mute(msg) {
		return
	}
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

// TestProbeOfBothModes: with an identity that Aggressive Mode knows, that is the
// better evidence.
func TestProbeOfBothModes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, ike.Config{
			Methods: []isakmp.AuthMethod{isakmp.AuthPSK}, Groups: staff, Lifetime: time.Hour,
			Proposals: proposals(t, "aes256-sha256-modp2048", "aes256-sha1-modp1024"),
		})
		r := b.probe(localapi.ProbeRequest{Identity: "staff"})
		if got := accepted(*r.AggressiveMode); !slices.Contains(got, "aes256-sha256-modp2048") {
			t.Errorf("Aggressive Mode was asked for a weak group first: %v", got)
		}
		if !strings.HasPrefix(r.Profile, "gateway = \"192.0.2.1\"\nmode = \"aggressive\" # \"main\", if that works,") {
			t.Error(r.Profile)
		}
		if i := r.HalfOpen; i == 0 || i > politely.halfOpen {
			t.Errorf("%d left open", i)
		}
	})
}

// TestProbeOfGenerousGateway: one that accepts everything isn't asked for everything.
func TestProbeOfGenerousGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := ike.Config{Methods: []isakmp.AuthMethod{isakmp.AuthPSK, isakmp.AuthXAuthInitPSK}, Groups: staff, Proposals: slices.Concat(families()...)}
		r := newBench(t, cfg).probe(localapi.ProbeRequest{Identity: "staff"})
		if r.MainMode.Complete || len(r.MainMode.Accepted) < 6 || len(r.AggressiveMode.Accepted) == 0 {
			t.Errorf("%+v", r)
		}
		said(t, r, "accepts more proposals")
		if strings.Contains(r.Profile, "weak") || strings.Count(r.Profile, "-sha") > maxSuggested {
			t.Error(r.Profile)
		}
	})
}

func said(t *testing.T, r *localapi.ProbeReport, want string) {
	t.Helper()
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, want) }) {
		t.Errorf("no note says %q: %q", want, r.Notes)
	}
}

func TestProbeOfSilence(t *testing.T) {
	for _, c := range []struct {
		name   string
		make   func(*bench)
		ports  string
		v2     string
		answer string
		says   string
	}{
		{name: "nobody", make: func(*bench) {}, ports: "silent silent", v2: v2No, answer: silent, says: "Nothing was answered"},
		{
			name: "closed", make: func(b *bench) { b.closed = func(uint16) bool { return true } },
			ports: "closed closed", v2: v2No, answer: silent, says: "nothing listens there",
		},
		{
			name: "IKEv2 only", make: func(b *bench) { b.answer = onlyIKEv2 }, ports: "silent silent", v2: v2Yes, answer: silent,
			says: "This gateway speaks IKEv2",
		},
		{
			name: "refuses whatever is proposed", make: func(b *bench) { b.answer = refusing(isakmp.NotifyNoProposalChosen) },
			ports: "answers answers", v2: v2Other, answer: refuses, says: "Main Mode is refused (NO-PROPOSAL-CHOSEN)",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, ike.Config{})
				c.make(b)
				r := b.probe(localapi.ProbeRequest{})
				if got := r.Ports[0].Answer + " " + r.Ports[1].Answer; got != c.ports {
					t.Errorf("ports: %s", got)
				}
				if r.IKEv2 != c.v2 || r.MainMode.Answer != c.answer || r.Profile != "" {
					t.Errorf("IKEv2 %s, main %s, profile %q", r.IKEv2, r.MainMode.Answer, r.Profile)
				}
				said(t, r, c.says)
				t.Logf("%d datagrams in %v", r.Sent, r.Took)
			})
		})
	}
}

// onlyIKEv2 answers IKE_SA_INIT with a response that has an SA payload.
func onlyIKEv2(octets []byte, _ ike.Path) ([][]byte, bool) {
	if octets[17] != v2Version {
		return nil, false
	}
	var spi isakmp.Cookie
	copy(spi[:], octets)
	return [][]byte{message(isakmp.Header{
		InitiatorCookie: spi, ResponderCookie: isakmp.Cookie{1}, Version: v2Version, Exchange: v2SAInit, Flags: v2Response,
	}, []isakmp.Payload{{Type: v2SA, Body: v2Offer()}})}, false
}

// refusing answers everything with a notify of IKEv1.
func refusing(n isakmp.NotifyType) func([]byte, ike.Path) ([][]byte, bool) {
	return func(octets []byte, _ ike.Path) ([][]byte, bool) {
		var cookie isakmp.Cookie
		copy(cookie[:], octets)
		return [][]byte{notifyMessage(cookie, n)}, false
	}
}

func notifyMessage(cookie isakmp.Cookie, n isakmp.NotifyType) []byte {
	body := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: n}
	return message(isakmp.Header{
		InitiatorCookie: cookie, ResponderCookie: isakmp.Cookie{7}, Version: isakmp.Version, Exchange: isakmp.ExchangeInformational, MessageID: 9,
	}, []isakmp.Payload{{Type: isakmp.PayloadNotify, Body: body.Marshal()}})
}

// TestProbeOfSilentRefusals: a gateway that drops what it doesn't like, and answers
// the rest.
func TestProbeOfSilentRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, ike.Config{Methods: []isakmp.AuthMethod{isakmp.AuthXAuthInitPSK}, Groups: staff, Proposals: proposals(t, "3des-sha1-modp1024")})
		b.mute = isFarewell // its notifies look the same
		r := b.probe(localapi.ProbeRequest{})
		if diff := cmp.Diff([]string{"3des-sha1-modp1024"}, accepted(r.MainMode)); diff != "" || !r.MainMode.Complete {
			t.Errorf("%s complete %v, %q", diff, r.MainMode.Complete, r.Notes)
		}
		t.Logf("%d datagrams in %v", r.Sent, r.Took)
	})
}

// TestProbeOfGatewayThatShutsUp: after some exchanges it answers nothing.
func TestProbeOfGatewayThatShutsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, ike.Config{Methods: []isakmp.AuthMethod{isakmp.AuthPSK}, Groups: staff, Proposals: slices.Concat(families()...)})
		count := 0
		b.filter(func([]byte) bool { count++; return count <= 6 })
		r := b.probe(localapi.ProbeRequest{})
		if r.MainMode.Complete {
			t.Error("called complete")
		}
		said(t, r, "the gateway answered nothing more")
	})
}

// TestProbeOfHostileAnswers: what comes from elsewhere, for another exchange, or can't
// be read, changes nothing but the number of datagrams ignored.
func TestProbeOfHostileAnswers(t *testing.T) {
	manyVendorIDs := func(cookie isakmp.Cookie) []byte {
		ps := []isakmp.Payload{{Type: isakmp.PayloadSA, Body: ike.Offer(likely()[:1], withKey[:1], time.Hour)}}
		for range 2000 {
			ps = append(ps, isakmp.Payload{Type: isakmp.PayloadVendorID, Body: []byte("HeartBeat_Notify")})
		}
		return message(isakmp.Header{InitiatorCookie: cookie, ResponderCookie: isakmp.Cookie{1}, Version: isakmp.Version, Exchange: isakmp.ExchangeMain}, ps)
	}
	weakChoice := func(cookie isakmp.Cookie, payloads ...isakmp.Payload) []byte {
		des := ike.Proposal{Cipher: isakmp.CipherDES, Hash: isakmp.HashMD5, Group: isakmp.GroupEC2N155}
		ps := append([]isakmp.Payload{{Type: isakmp.PayloadSA, Body: ike.Offer([]ike.Proposal{des}, withKey[:1], time.Hour)}}, payloads...)
		return message(isakmp.Header{InitiatorCookie: cookie, ResponderCookie: isakmp.Cookie{1}, Version: isakmp.Version, Exchange: isakmp.ExchangeMain}, ps)
	}
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, ike.Config{Methods: []isakmp.AuthMethod{isakmp.AuthPSK}, Groups: staff, Proposals: proposals(t, "aes256-sha256-modp2048")})
		b.answer = func(octets []byte, to ike.Path) ([][]byte, bool) {
			var cookie isakmp.Cookie
			copy(cookie[:], octets)
			forged := to
			forged.Remote = netip.MustParseAddrPort("203.0.113.9:500")
			b.deliver(notifyMessage(cookie, isakmp.NotifyNoProposalChosen), forged)
			return [][]byte{
				nil, []byte("x"), make([]byte, 28),
				notifyMessage(isakmp.Cookie{9, 9}, isakmp.NotifyNoProposalChosen), // another exchange
				weakChoice(cookie), manyVendorIDs(cookie),
				octets, // our own
			}, true
		}
		r := b.probe(localapi.ProbeRequest{})
		if diff := cmp.Diff([]string{"aes256-sha256-modp2048"}, accepted(r.MainMode)); diff != "" {
			t.Error(diff)
		}
		if len(r.MainMode.Refusals) != 1 || r.Ignored == 0 || len(r.Vendors) > maxShownVendors {
			t.Errorf("%+v", r)
		}
	})
}

// choosing answers Main Mode as a gateway would that takes these methods.
func choosing(t *testing.T, methods []isakmp.AuthMethod, proposals []ike.Proposal) func([]byte, ike.Path) ([][]byte, bool) {
	return func(octets []byte, _ ike.Path) ([][]byte, bool) {
		h, err := isakmp.ParseHeader(octets)
		if err != nil || h.Exchange != isakmp.ExchangeMain {
			return nil, false
		}
		m, err := isakmp.ParseMessage(h, octets[isakmp.HeaderLen:])
		if err != nil {
			t.Error(err)
			return nil, false
		}
		for _, method := range methods {
			for _, p := range proposals {
				offer := ike.Offer([]ike.Proposal{p}, []isakmp.AuthMethod{method}, offeredLife)
				if offers(t, m.Get(isakmp.PayloadSA), offer) {
					return [][]byte{message(isakmp.Header{
						InitiatorCookie: h.InitiatorCookie, ResponderCookie: isakmp.Cookie{5}, Version: isakmp.Version, Exchange: h.Exchange,
					}, []isakmp.Payload{{Type: isakmp.PayloadSA, Body: offer}})}, false
				}
			}
		}
		return [][]byte{notifyMessage(h.InitiatorCookie, isakmp.NotifyNoProposalChosen)}, false
	}
}

// offers says whether an SA payload offers the one transform of another.
func offers(t *testing.T, body, one []byte) bool {
	t.Helper()
	all, err := isakmp.ParseSA(body)
	if err != nil {
		t.Fatal(err)
	}
	want, err := isakmp.ParseSA(one)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(all.Proposals[0].Transforms, func(tr isakmp.Transform) bool {
		return cmp.Equal(tr.Attributes, want.Proposals[0].Transforms[0].Attributes)
	})
}

// TestProbeOfMethods: what a gateway with certificates wants is found, and a profile
// for it suggested.
func TestProbeOfMethods(t *testing.T) {
	for _, c := range []struct {
		name    string
		methods []isakmp.AuthMethod
		want    []string
		lines   string
	}{
		{"hybrid", []isakmp.AuthMethod{isakmp.AuthHybridInitRSA}, []string{"hybrid: the gateway's certificate, then a login (XAuth)"}, "auth = \"hybrid\"\nxauth = true\n"},
		{
			"certificates",
			[]isakmp.AuthMethod{isakmp.AuthRSA, isakmp.AuthXAuthInitRSA},
			[]string{"certificates (RSA), then a login (XAuth)", "certificates (RSA)"},
			"auth = \"rsa\"\nxauth = true\n",
		},
		{
			"key or DSS",
			[]isakmp.AuthMethod{isakmp.AuthDSS, isakmp.AuthPSK},
			[]string{"pre-shared key", "certificates (DSS)"},
			"auth = \"psk\"\nxauth = false\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, ike.Config{})
				b.answer = choosing(t, c.methods, proposals(t, "aes256-sha256-modp2048", "aes128-sha1-modp2048"))
				r := b.probe(localapi.ProbeRequest{})
				if diff := cmp.Diff(c.want, r.MainMode.Methods); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff([]string{"aes256-sha256-modp2048", "aes128-sha1-modp2048"}, accepted(r.MainMode)); diff != "" || !r.MainMode.Complete {
					t.Errorf("%s complete %v", diff, r.MainMode.Complete)
				}
				if !strings.Contains(r.Profile, c.lines) {
					t.Error(r.Profile)
				}
			})
		})
	}
}

// TestSuggestedLines: for every method they make a profile that can be read.
func TestSuggestedLines(t *testing.T) {
	for _, m := range methods {
		for _, exchange := range []isakmp.ExchangeType{isakmp.ExchangeMain, isakmp.ExchangeAggressive} {
			p := newProber(&asker{}, netip.AddrPortFrom(gatewayAddr, 500), []isakmp.ID{{Type: isakmp.IDFQDN, Data: []byte("st\"aff")}})
			p.report.Host = "vpn.example.com"
			found := &p.main
			if exchange == isakmp.ExchangeAggressive {
				found = &p.aggressive
				found.id = p.identities[0]
			}
			for _, o := range proposals(t, "aes256-sha256-modp2048", "3des-md5-modp1024", "des-md5-modp768") {
				found.accept(ike.Choice{Proposal: o, Method: m.number, Life: time.Hour})
			}
			lines := p.profileLines(ike.Features{Products: []string{"Check Point", "SonicWall"}})
			got, err := profile.Parse([]byte(lines), "suggested.toml")
			if err != nil {
				t.Errorf("%s: %v\n%s", m.name, err, lines)
				continue
			}
			if got.Auth != m.auth || got.Identity != "st\"aff" || got.Lifetime.IKE != time.Hour || got.Vendor != "checkpoint" || len(got.IKE) != 1 {
				t.Errorf("%s: %+v", m.name, got)
			}
		}
	}
}
