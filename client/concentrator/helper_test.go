package concentrator

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postern/client/prompt"
	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
	"postern/tun"
	"postern/tun/esp"
	"postern/tun/tuntest"
	"postern/xauth"
)

const testConf = `
[ General ]
InsideAddress = 10.20.0.1/24
[ IKE Policy ]
Protection = aes128-sha1-curve25519
[ VPN Group "staff" ]
SharedKey = "staff's key"
Transform = aes128-sha1
StartIPAddress = 10.20.0.10
MaxConnections = 2
IPNet = 10.20.0.0/24
IPNet = 10.30.0.0/16
DNSPrimaryServer = 10.30.0.53
[ VPN Group "told" ]
SharedKey = "told's key"
Transform = aes128-sha1
LocalIPNet = 10.21.0.0/24
ModeConfig = push
[ VPN Group "plain" ]
SharedKey = "plain key"
Transform = aes128-sha1
LocalIPNet = 10.22.0.0/24
ModeConfig = off
XAuth = off
[ VPN Users ]
alice Config=staff Password=wonderland
bob   Config=staff Password=tiger
carol Config=staff Password=lion
dora  Config=told Password=bear Address=10.21.0.77
erin  Config=staff SharedKey="erin's key"
`

// lab is a gateway in virtual time, with clients beside it.
type lab struct {
	t     *testing.T
	pipe  *iketest.Pipe
	g     *Gateway
	dev   *tuntest.Device // behind the gateway
	log   *slog.Logger
	alter func(*ike.Outgoing)      // what clients send; nil: as it is
	ask   prompt.Func              // the clients' users; nil: nobody can be asked
	sent  atomic.Pointer[ike.Path] // where the gateway's latest ESP went

	mu      sync.Mutex
	clients []*dialer
}

// newLab makes a gateway. It is called in a bubble.
func newLab(t *testing.T, conf string) *lab {
	t.Helper()
	return newLabLogged(t, conf, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})))
}

func newLabLogged(t *testing.T, conf string, log *slog.Logger) *lab {
	t.Helper()
	cfg, err := ParseConfig([]byte(conf), "test.conf")
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, pipe: iketest.NewPipe(), dev: tuntest.New(1400), log: log}
	l.g = newGateway(cfg, Options{Log: l.log.With("end", "gateway")}, l.pipe.B, l.deliver, l.dev)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- l.g.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		for _, c := range l.clients {
			c.abandon()
		}
		l.pipe.Close()
	})
	return l
}

// deliver brings the gateway's ESP to the clients.
func (l *lab) deliver(packets [][]byte, to ike.Path, _ bool) error {
	l.sent.Store(&to)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.clients {
		for _, p := range packets {
			c.tunnel.Deliver([]tun.Datagram{{Data: append([]byte(nil), p...), From: tun.Path{Local: to.Remote, Remote: to.Local}}})
		}
	}
	return nil
}

// who is how a client dials.
type who struct {
	mode           ike.Mode
	id, key        string
	user, password string // no user: no XAuth
	contact        bool   // INITIAL-CONTACT
}

// unanswered is the user who leaves the question for a password unanswered.
const unanswered = "?"

// dialer is a client.
type dialer struct {
	l      *lab
	sa     *ike.SA
	login  *xauth.Client
	tunnel *tun.Tunnel
	dev    *tuntest.Device
	gone   chan uint32                    // SPIs that the gateway deleted
	seenAs atomic.Pointer[netip.AddrPort] // where its ESP comes from; nil: from where it is
}

// dial makes phase 1.
func (l *lab) dial(w who) (*dialer, error) {
	d := &dialer{l: l, dev: tuntest.New(1400), gone: make(chan uint32, 16)}
	d.tunnel = tun.New(d.dev)
	go func() { _ = d.tunnel.Serve() }()
	d.login = xauth.NewClient(xauth.ClientConfig{User: w.user, Password: []byte(w.password), Ask: l.ask, Log: l.log})
	l.mu.Lock()
	l.clients = append(l.clients, d)
	l.mu.Unlock()
	cfg := ike.Config{
		Mode: w.mode, Proposals: l.g.cfg.Protection, Secret: []byte(w.key), Lifetime: time.Hour,
		Identity: isakmp.ID{Type: isakmp.IDKeyID, Data: []byte(w.id)}, InitialContact: w.contact,
		Transaction: d.login.Handle, Log: l.log.With("end", "client"), Alter: l.alter,
		Deleted: func(_ *ike.SA, m isakmp.Delete) {
			for _, spi := range spisOf(m) {
				select {
				case d.gone <- spi:
				default: // an SA's owner must not wait
				}
			}
		},
	}
	if w.user == unanswered {
		cfg.Transaction = nil
	}
	if w.user != "" {
		cfg.Methods = []isakmp.AuthMethod{isakmp.AuthXAuthInitPSK}
	}
	var err error
	if d.sa, err = ike.Dial(l.t.Context(), l.pipe.A, l.pipe.ToB, cfg); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *dialer) abandon() {
	if d.sa != nil {
		d.sa.Abandon()
	}
	_ = d.tunnel.Close()
}

// logIn makes phase 1 and the login.
func (l *lab) logIn(w who) (*dialer, error) {
	d, err := l.dial(w)
	if err != nil {
		return nil, err
	}
	return d, d.login.Wait(l.t.Context(), d.sa)
}

// connected is a client with an address and a child.
func (l *lab) connected(w who) (*dialer, netip.Addr) {
	l.t.Helper()
	d, err := l.logIn(w)
	if err != nil {
		l.t.Fatal("login:", err)
	}
	a, err := d.login.Pull(l.t.Context(), d.sa, xauth.Request{})
	if err != nil {
		l.t.Fatal("mode config:", err)
	}
	if !a.Address.IsValid() {
		l.t.Fatal("mode config: no address")
	}
	if _, err := d.quick(a.Address.Addr(), anyIPv4); err != nil {
		l.t.Fatal("quick mode:", err)
	}
	time.Sleep(100 * time.Millisecond) // the gateway has message 3
	return d, a.Address.Addr()
}

// quick makes a child between an inner address and a network.
func (d *dialer) quick(inner netip.Addr, network netip.Prefix) (*ike.Child, error) {
	return d.sa.Quick(d.l.t.Context(), ike.ChildConfig{
		Proposals: []ike.ESPProposal{aes128}, Lifetime: time.Hour,
		Local: ike.Selector{Prefix: netip.PrefixFrom(inner, 32)}, Remote: ike.Selector{Prefix: network},
		Install: d.install,
	})
}

func (d *dialer) install(k *ike.Child) error {
	s, err := suite(k.Proposal)
	if err != nil {
		return err
	}
	in, err := esp.NewInbound(s, k.InboundSPI, k.Inbound.Encryption, k.Inbound.Integrity)
	if err != nil {
		return err
	}
	out, err := esp.NewOutbound(s, k.OutboundSPI, k.Outbound.Encryption, k.Outbound.Integrity)
	if err != nil {
		return err
	}
	return d.tunnel.Add(&tun.Pair{
		In: in, Out: out, Local: []tun.Selector{tun.Selector(k.Local)}, Remote: []tun.Selector{tun.Selector(k.Remote)},
		Send: func(packets [][]byte) error {
			p := d.sa.Path()
			if a := d.seenAs.Load(); a != nil {
				p.Local = *a
			}
			for _, packet := range packets {
				d.l.g.tunnel.Deliver([]tun.Datagram{{Data: append([]byte(nil), packet...), From: tun.Path{Local: p.Remote, Remote: p.Local, Marker: p.Marker}}})
			}
			return nil
		},
	})
}

// packet is an IPv4 packet of UDP between two addresses, with a text in it.
func packet(from, to netip.Addr, text string) []byte {
	b := make([]byte, 28+len(text))
	b[0], b[8], b[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], from.AsSlice())
	copy(b[16:], to.AsSlice())
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum+sum>>16))
	binary.BigEndian.PutUint16(b[24:], uint16(8+len(text)))
	copy(b[28:], text)
	return b
}

// passes sends a packet from one device and says what comes out of the other.
func passes(in, out *tuntest.Device, p []byte) error {
	in.Inject(p)
	select {
	case got := <-out.Written():
		if string(got) != string(p) {
			return fmt.Errorf("another packet came out: %q", got)
		}
		return nil
	case <-time.After(time.Second):
		return errors.New("nothing came out")
	}
}

// carries ends the test unless packets pass both ways between a client and a host.
func (d *dialer) carries(inner, host netip.Addr) {
	d.l.t.Helper()
	if err := passes(d.dev, d.l.dev, packet(inner, host, "there")); err != nil {
		d.l.t.Errorf("%v to %v: %v", inner, host, err)
	}
	synctest.Wait()
	if err := passes(d.l.dev, d.dev, packet(host, inner, "back")); err != nil {
		d.l.t.Errorf("%v to %v: %v", host, inner, err)
	}
}

// online are the users in the gateway's list, with their addresses.
func (l *lab) online() string {
	var all []string
	for _, s := range l.g.Sessions() {
		all = append(all, fmt.Sprintf("%s %v", s.User, s.Address))
	}
	return strings.Join(all, ", ")
}
