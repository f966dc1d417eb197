package interop

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
	"postern/xauth"
)

// A golden flow is a connection that our engine once had with a real peer, under known randomness. Here the recorded peer
// speaks again, without any root, network or time, and our end must send what it sent then, octet for octet, and find out
// the same.
const flowFolder = "../../ike/iketest/testdata/flows"

func TestReplayFlows(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(flowFolder, "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden flows in %s: %v", flowFolder, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			f, err := iketest.ReadFlow(file)
			if err != nil {
				t.Fatal(err)
			}
			outcome, err := replay(t, f)
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(f.Outcome, outcome); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
		})
	}
}

// A single octet that differs doesn't escape the replay: neither one of ours nor one that the peer said and that the rest
// hangs on.
func TestReplayFindsDifferences(t *testing.T) {
	f, err := iketest.ReadFlow(filepath.Join(flowFolder, "main.txt"))
	if err != nil {
		t.Fatal(err)
	}
	const octet = 40 // in the body of the first payload
	for i, m := range f.Messages {
		m.Octets[octet] ^= 1
		if outcome, err := replay(t, f); err == nil && cmp.Equal(f.Outcome, outcome) {
			t.Errorf("message %d (%s): changed, and nobody noticed", i+1, m.Notation)
		}
		m.Octets[octet] ^= 1
	}
}

// replay carries a flow through with the recorded peer.
func replay(t *testing.T, f *iketest.Flow) (outcome []string, err error) {
	return replayWith(t, f, nil)
}

func replayWith(t *testing.T, f *iketest.Flow, keys *ike.KeyLog) (outcome []string, err error) {
	cryptotest.SetGlobalRandom(t, seedOf(t, f))
	synctest.Test(t, func(t *testing.T) {
		peer := iketest.NewPlayer(f)
		defer peer.Router.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // of the bubble
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			e := &end{setup: f.Setup, router: peer.Router, hangUp: func() {}, keys: keys}
			outcome = e.run(ctx)
			cancel()
		}()
		err = peer.Play(ctx)
		cancel()
		<-ended
	})
	return outcome, err
}

func seedOf(t *testing.T, f *iketest.Flow) uint64 {
	t.Helper()
	seed, err := strconv.ParseUint(f.Setup["seed"], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

// step is a pause between two things that our end does, longer than it takes to send what is due: where two goroutines
// have something to say, it is always the same one that speaks first.
func step() { time.Sleep(100 * time.Millisecond) }

// run is our end's part of a flow, recorded or replayed. It calls hangUp when the peer is to end the connection, and
// returns what it found out.
func run(ctx context.Context, f *iketest.Flow, r *ike.Router, log *slog.Logger, hangUp func()) []string {
	return (&end{setup: f.Setup, router: r, log: log, hangUp: hangUp}).run(ctx)
}

func (e *end) run(ctx context.Context) []string {
	does := e.initiate
	if e.setup["role"] == "responder" {
		does = e.respond
	}
	if err := does(ctx); err != nil {
		e.found("error: %v", err)
	}
	step()
	if e.sa != nil {
		_ = e.sa.Close()
	}
	step()
	return e.outcome
}

// end is our end of a flow.
type end struct {
	setup   map[string]string
	router  *ike.Router
	log     *slog.Logger
	hangUp  func()
	keys    *ike.KeyLog
	sa      *ike.SA
	outcome []string
}

func (e *end) found(format string, args ...any) {
	e.outcome = append(e.outcome, fmt.Sprintf(format, args...))
}

// What the flows negotiate.
var (
	flowProposals = []ike.Proposal{
		{Cipher: isakmp.CipherAES, KeyBits: 128, Hash: isakmp.HashSHA1, Group: isakmp.GroupMODP1024},
		{Cipher: isakmp.CipherAES, KeyBits: 256, Hash: isakmp.HashSHA256, Group: isakmp.GroupMODP2048},
		{Cipher: isakmp.CipherAES, KeyBits: 256, Hash: isakmp.HashSHA512, Group: isakmp.GroupCurve25519},
		{Cipher: isakmp.Cipher3DES, Hash: isakmp.HashMD5, Group: isakmp.GroupMODP1024},
	}
	flowESP = []ike.ESPProposal{
		{Encryption: isakmp.ESPAES, KeyBits: 128, Integrity: isakmp.AuthHMACSHA1},
		{Encryption: isakmp.ESPAES, KeyBits: 256, Integrity: isakmp.AuthHMACSHA256},
		{Encryption: isakmp.ESPAESGCM16, KeyBits: 256},
		{Encryption: isakmp.ESP3DES, Integrity: isakmp.AuthHMACMD5},
	}
	flowPFS = map[string]isakmp.Group{"": 0, "modp1536": isakmp.GroupMODP1536, "ecp256": isakmp.GroupECP256}
)

// named are those of all that are called so.
func named[T fmt.Stringer](all []T, name string) []T {
	return slices.DeleteFunc(slices.Clone(all), func(v T) bool { return v.String() != name })
}

// config is what both roles have in common.
func (e *end) config() ike.Config {
	return ike.Config{
		Proposals: named(flowProposals, e.setup["ike"]), Lifetime: 8 * time.Hour,
		Methods: []isakmp.AuthMethod{isakmp.AuthXAuthInitPSK}, Log: e.log, KeyLog: e.keys,
	}
}

func (e *end) child() ike.ChildConfig {
	return ike.ChildConfig{Proposals: named(flowESP, e.setup["esp"]), Group: flowPFS[e.setup["pfs"]], Lifetime: time.Hour}
}

// initiate connects as a client does, and ends the connection itself.
func (e *end) initiate(ctx context.Context) (err error) {
	login := xauth.NewClient(xauth.ClientConfig{User: e.setup["user"], Password: []byte(e.setup["password"])})
	defer login.Close()
	cfg := e.config()
	cfg.Secret, cfg.InitialContact, cfg.Transaction = []byte(e.setup["secret"]), true, login.Handle
	if name := e.setup["identity"]; name != "" {
		cfg.Identity = isakmp.ID{Type: isakmp.IDKeyID, Data: []byte(name)}
	}
	if e.setup["mode"] == ike.Aggressive.String() {
		cfg.Mode = ike.Aggressive
	}
	if e.sa, err = ike.Dial(ctx, e.router, flowPath, cfg); err != nil {
		return err
	}
	e.foundSA()
	step()
	if err := login.Wait(ctx, e.sa); err != nil {
		return err
	}
	step()
	assigned, err := e.configure(ctx, login)
	if err != nil {
		return err
	}
	e.foundAssigned(assigned)
	step()
	child := e.child()
	child.Local = ike.Selector{Prefix: netip.PrefixFrom(assigned.Address.Addr(), 32)}
	child.Remote = ike.Selector{Prefix: netip.MustParsePrefix("0.0.0.0/0")}
	made, err := e.sa.Quick(ctx, child)
	if err != nil {
		return err
	}
	e.foundChild(made)
	step()
	return e.sa.DeleteChild(made.InboundSPI)
}

func (e *end) configure(ctx context.Context, login *xauth.Client) (*xauth.Assigned, error) {
	if e.setup["config"] == "pushed" {
		return login.Pushed(ctx, e.sa)
	}
	return login.Pull(ctx, e.sa, xauth.Request{Version: "postern"})
}

// respond serves one client as a gateway does, until that ends the connection.
func (e *end) respond(ctx context.Context) (err error) {
	children, known := make(chan *ike.Child, 1), make(chan struct{})
	cfg := e.config()
	cfg.Groups = func(ike.Hello) []ike.Group { return []ike.Group{{Name: "staff", Secret: []byte(e.setup["secret"])}} }
	cfg.Transaction = func(_ context.Context, _ *ike.SA, request isakmp.Configuration) *isakmp.Configuration {
		<-known // the request may overtake the end of the login
		return flowAssigned.Reply(request)
	}
	cfg.Quick = func(_ context.Context, _ *ike.SA, o ike.QuickOffer) (*ike.ChildConfig, error) {
		child := e.child()
		child.Local, child.Remote = o.Local, o.Remote
		child.Settled = func(c *ike.Child, err error) {
			if err == nil {
				children <- c
			}
		}
		return &child, nil
	}
	w, err := e.router.Next(ctx)
	if err != nil {
		return err
	}
	if e.sa, err = ike.Accept(ctx, w, cfg); err != nil {
		return err
	}
	e.foundSA()
	step()
	server := xauth.Server{Verify: e.verify}
	user, err := server.Authenticate(ctx, e.sa)
	close(known)
	if err != nil {
		return err
	}
	e.found("user: %s", user)
	select {
	case made := <-children:
		e.foundChild(made)
	case <-e.sa.Done():
		return e.sa.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	step()
	e.hangUp()
	select {
	case <-e.sa.Done():
		return e.sa.Err()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (e *end) verify(_ context.Context, _ *ike.SA, user string, password []byte) error {
	if user != e.setup["user"] || string(password) != e.setup["password"] {
		return &xauth.RefusedError{Cause: errors.New("wrong password")}
	}
	return nil
}

// What our responder assigns.
var flowAssigned = &xauth.Assigned{
	Address:  netip.MustParsePrefix("10.20.0.1/32"),
	DNS:      []netip.Addr{netip.MustParseAddr("10.99.1.53")},
	Networks: []netip.Prefix{netip.MustParsePrefix("10.99.1.0/24"), netip.MustParsePrefix("10.99.2.0/24")},
	Domain:   "corp.example", Banner: "Welcome to the lab",
}

// The way of our initiator's messages. Its port is any, as that of postern is.
var flowPath = ike.Path{
	Local: netip.MustParseAddrPort("192.0.2.10:10500"), Remote: netip.MustParseAddrPort("192.0.2.1:500"),
}

func (e *end) foundSA() {
	i := e.sa.Info()
	e.found("mode: %v", i.Mode)
	e.found("cookies: %v %v", i.CookieI, i.CookieR)
	e.found("proposal: %v", i.Proposal)
	e.found("method: %v, group %q", i.Method, i.Group)
	e.found("peer: %v", i.Peer)
	e.found("lifetime: %v", i.Lifetime)
	e.found("nat: us %v, peer %v, by %s", i.NAT.Us, i.NAT.Peer, i.NAT.Text)
	e.found("peer speaks: unity %v, dpd %v, initial contact %v", i.Unity, i.DPD, i.InitialContact)
	e.found("peer announces: %s", strings.Join(i.Vendors, ", "))
}

func (e *end) foundAssigned(a *xauth.Assigned) {
	e.found("assigned: %v, dns %v, networks %v, exclude %v", a.Address, a.DNS, a.Networks, a.Exclude)
	e.found("assigned: banner %q, domain %q, split dns %q, pfs %v", a.Banner, a.Domain, a.SplitDNS, a.PFS)
}

// foundChild tells of a child, and of its keys a fingerprint.
func (e *end) foundChild(c *ike.Child) {
	print := func(k ike.ChildKeys) []byte {
		sum := sha256.Sum256(slices.Concat(k.Encryption, k.Integrity))
		return sum[:8]
	}
	e.found("child: %v, group %v, in udp %v, lifetime %v", c.Proposal, c.Group, c.Encapsulated, c.Lifetime)
	e.found("child: %v <-> %v", c.Local, c.Remote)
	e.found("child: inbound %08x keys %x, outbound %08x keys %x", c.InboundSPI, print(c.Inbound), c.OutboundSPI, print(c.Outbound))
}
