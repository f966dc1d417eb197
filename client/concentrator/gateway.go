package concentrator

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"time"

	"postern/ike"
	"postern/tun"
)

// Options are how a Gateway stands on its machine.
type Options struct {
	Log *slog.Logger // nil: nothing is logged

	// Listen replaces Config.Address: where ports 500 and 4500 are opened.
	Listen []netip.Addr
	// Port, if valid, is the one UDP port for everything instead, with the non-ESP
	// marker from the first message and all ESP in UDP. Its port may be 0.
	Port netip.AddrPort
	// RawESP opens IP protocol 50 too, for clients that no NAT stands before. It
	// needs CAP_NET_RAW, and is of no use with Port.
	RawESP bool

	// Device is where inner packets go. The Gateway closes it.
	Device tun.Device
	// Netstack makes a Device with an IP stack of this process behind it, in which
	// a web page (port 80) and an echo service (port 7) stand at Config.Inside.
	Netstack bool
	MTU      int // of inner packets; 0: 1400

	// Verify judges a password instead of Config.Users.
	Verify func(ctx context.Context, user string, password []byte) error
	KeyLog *ike.KeyLog
}

// Session is a snapshot of one client's connection.
type Session struct {
	User     string // empty where nothing names one
	Group    string
	Peer     netip.AddrPort // outside
	Address  netip.Addr     // inside
	Mode     string         // "main mode", "aggressive mode"
	IKE      string         // "aes256-sha256-modp2048"
	ESP      string         // of the newest child: "aes256-sha256"; empty before the first
	UDP      bool           // ESP goes in UDP
	Since    time.Time
	In, Out  uint64 // inner packets' octets, from and to the client
	Children int
}

// Gateway is a running concentrator.
type Gateway struct{}

// New opens everything a gateway needs. Serve makes it answer.
func New(cfg *Config, o Options) (*Gateway, error) { return nil, errors.New("not yet") }

// Serve answers clients until ctx ends or Close, says goodbye to each and
// returns nil; or the error that made it impossible.
func (g *Gateway) Serve(ctx context.Context) error { return nil }

// Close ends Serve and waits for it.
func (g *Gateway) Close() {}

// Addr is where clients are answered: Options.Port, or the first address with
// port 500.
func (g *Gateway) Addr() netip.AddrPort { return netip.AddrPort{} }

// Sessions tells who is connected.
func (g *Gateway) Sessions() []Session { return nil }

// Net is the IP stack behind the gateway; nil without Options.Netstack.
func (g *Gateway) Net() *tun.Net { return nil }
