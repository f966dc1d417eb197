package concentrator

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
	"postern/stamp"
	"postern/xauth"
)

// Keyed fuzzing: one end's messages are changed before they are hashed and encrypted, so
// that what the other end reads behind its HASH is the fuzzer's. Both ends are whole: a
// client with its login, and a gateway.

// mutation is what happens to one message, as six octets of the fuzzer's: which message
// of the end's, what is done, to which payload, where, and with what.
type mutation struct {
	message, op, payload uint8
	at                   uint16
	value                uint8
}

// keyedProgram is a fuzzer's octets: which connection, by its first, and mutations.
func keyedProgram(b []byte) (way byte, ms []mutation) {
	const most = 8
	if len(b) == 0 {
		return 0, nil
	}
	way, b = b[0], b[1:]
	for ; len(b) >= 6 && len(ms) < most; b = b[6:] {
		ms = append(ms, mutation{b[0], b[1], b[2], binary.BigEndian.Uint16(b[3:]), b[5]})
	}
	return way, ms
}

// What a mutation does.
const (
	flipInBody = iota // one octet of a body
	setNumber         // two octets of a body: a length, a type, a count
	cutBody
	growBody
	dropPayload
	doublePayload
	swapPayloads
	retypePayload
	insertPayload
	flipInPlain // anywhere in what is encrypted, generic headers and the HASH's included
	cutPlain
	growPlain
	setFlags
	inTheClear
	wrongHash
	sendTwice
	mutations
)

// mutator changes an end's messages. HASH is made anew behind every change.
type mutator struct {
	mu    sync.Mutex
	ms    []mutation
	count uint8
	seen  *coverage
}

func (m *mutator) alter(o *ike.Outgoing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count++
	if len(m.ms) > 0 {
		for i := range o.Payloads {
			o.Payloads[i].Body = slices.Clone(o.Payloads[i].Body)
		}
	}
	rehash := true
	for _, one := range m.ms {
		if one.message%16+1 != m.count {
			continue
		}
		m.seen.add(fmt.Sprintf("changed %v %d by %d", o.Exchange, o.Number, one.op%mutations))
		if one.op%mutations == wrongHash {
			rehash = false
		}
		one.payloads(o)
		one.whole(o)
	}
	if rehash {
		o.Rehash()
	}
}

// payloads are the mutations that know of payloads.
func (m mutation) payloads(o *ike.Outgoing) {
	n := len(o.Payloads)
	if n == 0 {
		return
	}
	i := int(m.payload) % n
	p := &o.Payloads[i]
	switch m.op % mutations {
	case flipInBody:
		if len(p.Body) > 0 {
			p.Body[int(m.at)%len(p.Body)] ^= m.value | 1
		}
	case setNumber:
		if len(p.Body) > 1 {
			at := int(m.at>>8) % (len(p.Body) - 1)
			binary.BigEndian.PutUint16(p.Body[at:], uint16(m.at&0xff)<<8|uint16(m.value))
		}
	case cutBody:
		p.Body = p.Body[:int(m.at)%(len(p.Body)+1)]
	case growBody:
		p.Body = append(p.Body, make([]byte, m.at%2000)...)
		for k := range p.Body {
			if k%7 == 0 {
				p.Body[k] ^= m.value
			}
		}
	case dropPayload:
		o.Payloads = slices.Delete(o.Payloads, i, i+1)
	case doublePayload:
		for range m.value%40 + 1 {
			o.Payloads = append(o.Payloads, *p)
		}
	case swapPayloads:
		k := int(m.at) % n
		o.Payloads[i], o.Payloads[k] = o.Payloads[k], o.Payloads[i]
	case retypePayload:
		p.Type = isakmp.PayloadType(m.value)
	case insertPayload:
		o.Payloads = append(o.Payloads, isakmp.Payload{Type: isakmp.PayloadType(m.value), Body: make([]byte, m.at%300)})
	}
}

// whole are the mutations of a message as a whole.
func (m mutation) whole(o *ike.Outgoing) {
	change := func([]byte) []byte { return nil }
	switch m.op % mutations {
	case flipInPlain:
		change = func(b []byte) []byte { b[int(m.at)%len(b)] ^= m.value | 1; return b }
	case cutPlain:
		change = func(b []byte) []byte { return b[:int(m.at)%len(b)] }
	case growPlain:
		change = func(b []byte) []byte { return append(b, make([]byte, m.at%4096)...) }
	case setFlags:
		o.Flags |= isakmp.Flags(m.value)
		return
	case inTheClear:
		o.Clear = m.value%4 == 0
		return
	case sendTwice:
		o.Datagrams = func(ds [][]byte) [][]byte { return append(ds, ds...) }
		return
	default:
		return
	}
	before := o.Plain
	o.Plain = func(b []byte) []byte {
		if before != nil {
			b = before(b)
		}
		if len(b) == 0 {
			return b
		}
		return rehashedPlain(o, change(b))
	}
}

// coverage is what happened in all runs: messages taken and refused, by either end, and
// what was changed. It reads the log, of which numbers and names are left out.
type coverage struct {
	mu     sync.Mutex
	states map[string]int
}

func (c *coverage) add(state string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.states[state]++
}

var (
	variable = regexp.MustCompile(`[0-9a-f]*[0-9][0-9a-f]*|"[^"]*"|\[[^]]*\]`)
	payloads = regexp.MustCompile(`, [^ ]+( #)?`)
)

// stateOf is what a line of the log says, without what differs from run to run, and with
// payloads that follow one another once.
func stateOf(line string) string {
	line = variable.ReplaceAllString(line, "#")
	last := ""
	return payloads.ReplaceAllStringFunc(line, func(p string) string {
		if p == last {
			return ""
		}
		last = p
		return p
	})
}

// coverageLog is a slog.Handler. Attributes are formatted, for a log must bear any.
type coverageLog struct {
	c   *coverage
	end string
}

func (h coverageLog) Enabled(context.Context, slog.Level) bool { return true }
func (h coverageLog) WithGroup(string) slog.Handler            { return h }

func (h coverageLog) WithAttrs(as []slog.Attr) slog.Handler {
	for _, a := range as {
		if a.Key == "end" {
			h.end = a.Value.String()
		}
	}
	return h
}

func (h coverageLog) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "->") {
		return nil
	}
	state := h.end + " " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		text := a.Value.String()
		if a.Key == "exchange" || a.Key == "error" || a.Key == "reason" {
			state += " " + text
		}
		return true
	})
	h.c.add(stateOf(state))
	return nil
}

func newCoverage() *coverage { return &coverage{states: make(map[string]int)} }

// keyedRun has a client connect to a gateway, renew, ask and say goodbye, one of them
// with its messages changed. Afterwards another client is served as if nothing had been.
func keyedRun(t *testing.T, seen *coverage, program []byte) {
	way, ms := keyedProgram(program)
	synctest.Test(t, func(t *testing.T) {
		l := newLabLogged(t, vpn5000Conf, slog.New(coverageLog{c: seen}))
		m := &mutator{ms: ms, seen: seen}
		if way&1 == 0 {
			l.alter = m.alter
		} else {
			havoc := func() *havoc { return &havoc{alter: []func(*ike.Outgoing){m.alter}} }
			l.g.impaired.Store(&havoc)
		}
		began := time.Now()
		keyedClient(l, way>>1)
		if took := time.Since(began); took > 30*time.Minute {
			t.Errorf("the connection took %v", took)
		}
		for _, s := range l.g.Sessions() {
			if s.User == "bob" {
				t.Errorf("a stranger is in: %+v", s)
			}
		}
		l.alter = nil
		l.g.impaired.Store(nil)
		d, address := l.connected(who{id: "staff", key: "staff's key", user: "bob", password: "tiger"})
		d.carries(address, netip.MustParseAddr("10.30.0.9"))
		_ = d.sa.Close()
	})
}

// keyedClient is one connection in full, as far as it gets.
func keyedClient(l *lab, way byte) {
	ctx, cancel := context.WithTimeout(l.t.Context(), 20*time.Minute)
	defer cancel()
	w := []who{
		{id: "staff", key: "staff's key", user: "alice", password: "wonderland"},
		{id: "told", key: "told's key", user: "dora", password: "bear"},
		{id: "plain", key: "plain key"},
		{id: "frank", key: "frank's key"},
	}[way>>1%4]
	w.mode = ike.Mode(way & 1)
	if w.id == "frank" {
		keyedStamped(ctx, l, w)
		return
	}
	d, err := l.logIn(w)
	if err != nil {
		return
	}
	defer d.sa.Abandon()
	inner := netip.MustParseAddr("10.22.0.1")
	switch w.id {
	case "staff":
		if a, err := d.login.Pull(ctx, d.sa, xauth.Request{}); err == nil && a.Address.IsValid() {
			inner = a.Address.Addr()
		}
	case "told":
		if a, err := d.login.Pushed(ctx, d.sa); err == nil && a.Address.IsValid() {
			inner = a.Address.Addr()
		}
	}
	c, err := d.quick(inner, anyIPv4)
	if err != nil {
		return
	}
	time.Sleep(time.Second)
	_ = l.g.RenewChildren(ctx, w.user)
	_, _ = d.quick(inner, anyIPv4)
	_ = d.sa.SendNotify(isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: isakmp.NotifyInitialContact})
	_ = l.g.Redirect(w.user, elsewhere)
	time.Sleep(40 * time.Second) // somebody probes
	_ = d.sa.DeleteChild(c.InboundSPI)
	_ = l.g.DeleteChildren(w.user)
	time.Sleep(time.Second)
	_ = d.sa.Close()
}

// keyedStamped is one of the VPN 5000's.
func keyedStamped(ctx context.Context, l *lab, w who) {
	d, c, err := l.stamped(w)
	if err != nil {
		return
	}
	defer d.sa.Abandon()
	if ok, err := c.Agreed(d.sa.Info()); !ok || err != nil {
		return
	}
	child := ike.ChildConfig{Proposals: []ike.ESPProposal{aes128}, Lifetime: time.Hour}
	child.Ride = c.Ride(d.sa, func(p *stamp.Policy) (stamp.Receipt, error) {
		return stamp.Receipt{Version: "test", Networks: uint16(len(p.Networks)), NoIPX: p.IPX}, nil
	})
	if _, err := d.sa.Quick(ctx, child); err != nil {
		return
	}
	time.Sleep(time.Second)
	child.Ride = nil
	_, _ = d.sa.Quick(ctx, child)
	_ = d.sa.Close()
}

func FuzzKeyed(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 1))
	for way := range byte(16) {
		f.Add([]byte{way})
		f.Add(randomProgram(random, way))
	}
	seen := newCoverage()
	f.Fuzz(func(t *testing.T, program []byte) { keyedRun(t, seen, program) })
}

// randomProgram has one to three mutations.
func randomProgram(random *rand.Rand, way byte) []byte {
	program := []byte{way}
	for range 1 + random.IntN(3) {
		for range 6 {
			program = append(program, byte(random.Uint32()))
		}
	}
	return program
}

// TestKeyed runs programs of a seed. POSTERN_KEYED is how many, and POSTERN_SEED the seed.
func TestKeyed(t *testing.T) {
	n, seed := 320, uint64(1)
	if v, err := strconv.Atoi(os.Getenv("POSTERN_KEYED")); err == nil {
		n = v
	}
	if v, err := strconv.ParseUint(os.Getenv("POSTERN_SEED"), 10, 64); err == nil {
		seed = v
	}
	random := rand.New(rand.NewPCG(seed, 2))
	seen := newCoverage()
	began := time.Now()
	for i := range n {
		program := randomProgram(random, byte(i))
		if os.Getenv("POSTERN_DEBUG") != "" {
			fmt.Fprintf(os.Stderr, "%d: %x\n", i, program)
		}
		keyedRun(t, seen, program)
		if t.Failed() {
			t.Fatalf("seed %d, program %d: %x", seed, i, program)
		}
	}
	by := map[string]int{}
	for state := range seen.states {
		by[strings.Fields(state)[0]]++
	}
	t.Logf("seed %d: %d executions in %v, %d states: %d of the client's, %d of the gateway's, %d changes",
		seed, n, time.Since(began).Round(time.Second), len(seen.states), by["client"], by["gateway"], by["changed"])
	if n >= 320 && (by["client"] < 40 || by["gateway"] < 80 || by["changed"] < 100) {
		t.Errorf("that reaches little: %s", strings.Join(slices.Sorted(maps.Keys(seen.states)), "\n"))
	}
}

// rehashedPlain puts the HASH of what follows into the first payload, where it is HASH.
func rehashedPlain(o *ike.Outgoing, b []byte) []byte {
	m, err := isakmp.ParseMessage(isakmp.Header{NextPayload: isakmp.PayloadHash}, b)
	if err != nil || len(o.Payloads) == 0 || o.Payloads[0].Type != isakmp.PayloadHash {
		return b
	}
	copy(m.Payloads[0].Body, o.Hash(m.After(0)))
	return b
}
