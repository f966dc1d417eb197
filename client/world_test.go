package client_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postern/client"
	"postern/client/concentrator"
	"postern/client/profile"
	"postern/client/prompt"
	"postern/tun"
	"postern/tun/hostnet"
	"postern/tun/memnet"
	"postern/tun/tuntest"
)

// world is a whole connection in virtual time: a Client and a concentrator that
// ship, on machines and a network in memory.
type world struct {
	t       *testing.T
	net     *memnet.Network
	laptop  *machine
	gateway *gatewayHost
	backup  *gatewayHost // nil: none
	conn    *connection
	log     *slog.Logger
	began   time.Time

	mu    sync.Mutex
	lines map[string]int // of the log: how often each message came, by end
}

// seen is how often the client said something in its log.
func (w *world) seen(message string) int { return w.seenAt("client", message) }

func (w *world) seenAt(end, message string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lines[end+" "+message]
}

// counter is a slog.Handler that counts messages.
type counter struct {
	slog.Handler
	w   *world
	end string
}

func (c counter) Enabled(context.Context, slog.Level) bool { return true }

func (c counter) Handle(ctx context.Context, r slog.Record) error {
	c.w.mu.Lock()
	c.w.lines[c.end+" "+r.Message]++
	c.w.mu.Unlock()
	if !c.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return c.Handler.Handle(ctx, r)
}

func (c counter) WithAttrs(as []slog.Attr) slog.Handler {
	return counter{c.Handler.WithAttrs(as), c.w, c.end}
}

func (c counter) WithGroup(name string) slog.Handler {
	return counter{c.Handler.WithGroup(name), c.w, c.end}
}

func (w *world) logOf(end string) *slog.Logger {
	return slog.New(counter{w.log.With("end", end).Handler(), w, end})
}

var (
	laptopAddr  = netip.MustParseAddr("192.0.2.10")
	otherAddr   = netip.MustParseAddr("198.51.100.20")
	gatewayAddr = netip.MustParseAddr("203.0.113.1")
	backupAddr  = netip.MustParseAddr("203.0.113.2")
	insideHost  = netip.MustParseAddr("10.20.0.1")
)

const worldConfig = `
[ General ]
InsideAddress = 10.20.0.1/24
[ IKE Policy ]
Protection = aes128-sha1-curve25519
[ VPN Group "staff" ]
SharedKey = "` + groupKey + `"
Transform = aes128-sha1
StartIPAddress = 10.20.0.10
MaxConnections = 5
IPNet = 10.20.0.0/24
%s
[ VPN Users ]
"alice" Config="staff" Password="` + password + `"
`

// machine is a client.System in memory.
type machine struct {
	host    *memnet.Host
	device  *tuntest.Device
	changes chan hostnet.Change

	mu       sync.Mutex
	names    map[string][]netip.Addr
	devices  int // opened
	applied  []hostnet.Config
	gateways []netip.Addr // set
	restored int
	guards   []hostnet.GuardConfig // that were in force, in turn
	released int
	deaf     bool        // the name servers inside don't answer
	way      hostnet.Way // to the gateway; the zero Way: an Ethernet's
	mtus     []int       // of the device, as it was set
}

func (m *machine) Lookup(_ context.Context, name string) ([]netip.Addr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.deaf && len(m.applied) > 0 && len(m.applied[len(m.applied)-1].DNS) > 0 {
		return nil, errors.New("no answer")
	}
	if a := m.names[name]; a != nil {
		return a, nil
	}
	return nil, errors.New("no such host")
}

func (m *machine) ListenUDP(local netip.AddrPort) (*tun.Carrier, error) {
	s, bound := m.host.Listen(local.Port())
	return tun.NewCarrier(s, bound, tun.ByRemotePort), nil
}

func (m *machine) ListenRawESP(netip.Addr) (*tun.RawESP, error) { return nil, errors.ErrUnsupported }

func (m *machine) OpenTUN(string, int) (tun.Device, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.devices++
	m.device = tuntest.New(1400)
	return m.device, nil
}

func (m *machine) Recover() error { return nil }

func (m *machine) Apply(_ context.Context, c hostnet.Config) (client.HostNetwork, error) {
	return m, m.Update(context.Background(), c)
}

func (m *machine) Changes(context.Context) (<-chan hostnet.Change, error) { return m.changes, nil }

func (m *machine) Way(netip.Addr) (hostnet.Way, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.way.MTU == 0 {
		return hostnet.Way{MTU: 1500}, nil
	}
	return m.way, nil
}

func (m *machine) Protect(_ context.Context, c hostnet.GuardConfig) (client.Guard, error) {
	g := &guard{m: m}
	return g, g.Update(context.Background(), c)
}

// guard is a kill switch in memory.
type guard struct{ m *machine }

func (g *guard) Update(_ context.Context, c hostnet.GuardConfig) error {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	g.m.guards = append(g.m.guards, c)
	return nil
}

func (g *guard) Release() error {
	g.m.mu.Lock()
	defer g.m.mu.Unlock()
	g.m.released++
	return nil
}

func (m *machine) Warnings() []string     { return nil }
func (m *machine) Routes() []netip.Prefix { return m.now().Routes }
func (m *machine) Resolver() string       { return "" }

func (m *machine) SetMTU(mtu int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mtus = append(m.mtus, mtu)
	return nil
}

func (m *machine) Update(_ context.Context, c hostnet.Config) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applied = append(m.applied, c)
	return nil
}

func (m *machine) SetGateway(_ context.Context, a netip.Addr) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gateways = append(m.gateways, a)
	return nil
}

func (m *machine) Restore() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.restored++
	return nil
}

// now is the configuration in force.
func (m *machine) now() hostnet.Config {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.applied[len(m.applied)-1]
}

// gatewayHost is a machine that a concentrator runs on.
type gatewayHost struct {
	w      *world
	host   *memnet.Host
	config string
	path   string                                                        // of config, whose files lie beside it; "": it names none
	verify func(ctx context.Context, user string, password []byte) error // nil: by config
	g      *concentrator.Gateway
	device atomic.Pointer[tuntest.Device]
	served chan error
}

func (w *world) host(a netip.Addr, config string) *gatewayHost {
	h := &gatewayHost{w: w, host: w.net.Host(a), config: config}
	h.start()
	return h
}

func (h *gatewayHost) start() {
	h.w.t.Helper()
	cfg, err := concentrator.ParseConfig([]byte(h.config), cmp.Or(h.path, "test.conf"))
	if err != nil {
		h.w.t.Fatal(err)
	}
	device := tuntest.New(1400)
	h.device.Store(device)
	o := concentrator.Options{Log: h.w.logOf("gateway"), Device: device, Verify: h.verify}
	for port, f := range map[uint16]tun.Framing{500: tun.PlainIKE, 4500: tun.Encapsulated} {
		s, bound := h.host.Listen(port)
		o.Carriers = append(o.Carriers, tun.NewCarrier(s, bound, f))
	}
	if h.g, err = concentrator.New(cfg, o); err != nil {
		h.w.t.Fatal(err)
	}
	g, served := h.g, make(chan error, 1)
	h.served = served
	go func() { served <- g.Serve(context.Background()) }()
	time.Sleep(time.Millisecond) // it serves, and may be stopped
}

// kill ends the gateway without a word to anybody.
func (h *gatewayHost) kill() {
	addr := h.host.Addr()
	h.host.Move(netip.Addr{})
	h.stop()
	h.host.Move(addr)
}

func (h *gatewayHost) stop() {
	h.g.Close()
	if err := <-h.served; err != nil {
		h.w.t.Error("gateway:", err)
	}
}

// inWorld runs f with a connection that is up.
func inWorld(t *testing.T, profileText, group string, ask prompt.Func, f func(*world)) {
	inWorldOf(t, profileText, fmt.Sprintf(worldConfig, group), ask, f)
}

func inWorldOf(t *testing.T, profileText, config string, ask prompt.Func, f func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, config)
		w.connect(profileText, ask)
		w.conn.awaitUp()
		f(w)
		w.end()
	})
}

// inNetwork runs f with gateways at both addresses, and no connection yet.
func inNetwork(t *testing.T, f func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, fmt.Sprintf(worldConfig, ""))
		w.backup = w.host(backupAddr, fmt.Sprintf(worldConfig, ""))
		w.laptop.names["gw.example"] = []netip.Addr{backupAddr}
		f(w)
		w.end()
	})
}

func newWorld(t *testing.T, config string) *world {
	w := &world{t: t, net: memnet.New(), lines: make(map[string]int), began: time.Now()}
	level := slog.LevelInfo
	if os.Getenv("POSTERN_DEBUG") != "" {
		level = slog.LevelDebug
	}
	w.log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: level}))
	w.laptop = &machine{host: w.net.Host(laptopAddr), changes: make(chan hostnet.Change), names: make(map[string][]netip.Addr)}
	w.gateway = w.host(gatewayAddr, config)
	return w
}

// connect starts a Client.
func (w *world) connect(profileText string, ask prompt.Func) {
	w.t.Helper()
	w.connectTo(gatewayAddr.String(), profileText, ask)
}

// connectTo is connect with another gateway than the first.
func (w *world) connectTo(gateway, profileText string, ask prompt.Func) {
	w.t.Helper()
	p, err := profile.Parse(fmt.Appendf(nil, `
gateway = %q
identity = "staff"
secret = %q
user = "alice"
ike = ["aes128-sha1-curve25519"]
esp = ["aes128-sha1"]
%s`, gateway, groupKey, profileText), "test.toml")
	if err != nil {
		w.t.Fatal(err)
	}
	w.conn = &connection{t: w.t, ended: make(chan error, 1), log: &safeBuffer{}}
	w.conn.Client = client.New(p, client.Options{Log: w.logOf("client"), Ask: ask, System: w.laptop})
	ctx, cancel := context.WithCancel(w.t.Context())
	w.conn.stop = cancel
	go func() { w.conn.ended <- w.conn.Run(ctx) }()
}

// awaitUp waits until the connection is up, without a limit in virtual time but
// that of the connection itself.
func (c *connection) awaitUp() {
	c.t.Helper()
	for {
		st, changed := c.Watch()
		if st.State == client.Up {
			return
		}
		select {
		case <-changed:
		case err := <-c.ended:
			c.t.Fatalf("ended in place of being up: %v", err)
		case <-time.After(time.Hour):
			c.t.Fatalf("not up in an hour, but %s", st.State)
		}
	}
}

// end stops everything, and tells if the connection had failed.
func (w *world) end() {
	w.t.Helper()
	w.conn.stop()
	if err := <-w.conn.ended; err != nil {
		w.t.Error("the connection:", err)
	}
	w.gateway.stop()
	if w.backup != nil {
		w.backup.stop()
	}
}

// packet is an IP packet of UDP that carries a number at its end.
func packet(from, to netip.Addr, number uint64) []byte {
	if from.Is6() {
		return packet6(from, to, number)
	}
	b := make([]byte, 36)
	b[0], b[8], b[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], from.AsSlice())
	copy(b[16:], to.AsSlice())
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum+sum>>16))
	binary.BigEndian.PutUint16(b[24:], 16)
	binary.BigEndian.PutUint64(b[28:], number)
	return b
}

// packet6 is packet with IPv6.
func packet6(from, to netip.Addr, number uint64) []byte {
	b := make([]byte, 56)
	b[0], b[5], b[6], b[7] = 0x60, 16, 17, 64
	copy(b[8:], from.AsSlice())
	copy(b[24:], to.AsSlice())
	binary.BigEndian.PutUint16(b[44:], 16)
	binary.BigEndian.PutUint64(b[48:], number)
	return b
}

// traffic sends numbered packets both ways, and holds what arrives against them.
type traffic struct {
	quiet chan struct{} // closed: no more is sent
	stop  chan struct{}
	done  sync.WaitGroup
	ways  [2]way // to the gateway, to the client
}

// way is one direction.
type way struct {
	mu                  sync.Mutex
	sent, next          uint64
	received, reordered uint64
	longest             time.Duration // between two arrivals
	last                time.Time
}

// flow sends a packet each way every period.
func (w *world) flow(period time.Duration) *traffic {
	return w.flowBetween(w.conn.Status().Tunnel.Address, insideHost, period)
}

// flowBetween is flow between other addresses.
func (w *world) flowBetween(inner, host netip.Addr, period time.Duration) *traffic {
	f := &traffic{quiet: make(chan struct{}), stop: make(chan struct{})}
	for i := range f.ways {
		f.ways[i].last = time.Now()
	}
	f.done.Go(func() {
		t := time.NewTicker(period)
		defer t.Stop()
		for {
			select {
			case <-f.quiet:
				return
			case <-t.C:
			}
			w.laptop.mu.Lock()
			device := w.laptop.device
			w.laptop.mu.Unlock()
			device.Inject(packet(inner, host, f.ways[0].number()))
			w.gateway.device.Load().Inject(packet(host, inner, f.ways[1].number()))
		}
	})
	receive := func(way *way, device func() *tuntest.Device) {
		for {
			select {
			case <-f.stop:
				return
			case p := <-device().Written():
				way.got(p)
			case <-time.After(time.Second): // the device may be another one now
			}
		}
	}
	f.done.Go(func() { receive(&f.ways[0], w.gateway.device.Load) })
	f.done.Go(func() {
		receive(&f.ways[1], func() *tuntest.Device {
			w.laptop.mu.Lock()
			defer w.laptop.mu.Unlock()
			return w.laptop.device
		})
	})
	return f
}

func (d *way) number() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent++
	return d.sent
}

func (d *way) got(p []byte) {
	if len(p) != 36 && len(p) != 56 {
		return
	}
	n := binary.BigEndian.Uint64(p[len(p)-8:])
	d.mu.Lock()
	defer d.mu.Unlock()
	d.received++
	if n < d.next {
		d.reordered++ // or doubled
	}
	d.next = n + 1
	d.longest = max(d.longest, time.Since(d.last))
	d.last = time.Now()
}

// end waits for what is on its way, and stops.
func (f *traffic) end() {
	close(f.quiet)
	time.Sleep(5 * time.Second)
	close(f.stop)
	f.done.Wait()
}

// perfect ends the test's hopes unless every packet came once and in order.
func (f *traffic) perfect(t *testing.T) {
	t.Helper()
	for i := range f.ways {
		d := &f.ways[i]
		if lost := d.sent - d.received; lost > 0 || d.reordered > 0 || d.received == 0 {
			t.Errorf("direction %d: %d sent, %d lost, %d out of order or twice", i, d.sent, lost, d.reordered)
		}
	}
}

// gap is the longest time without a packet, either way.
func (f *traffic) gap() time.Duration {
	var longest time.Duration
	for i := range f.ways {
		d := &f.ways[i]
		d.mu.Lock()
		longest = max(longest, d.longest, time.Since(d.last))
		d.mu.Unlock()
	}
	return longest
}

// forgive forgets the gaps so far.
func (f *traffic) forgive() {
	for i := range f.ways {
		d := &f.ways[i]
		d.mu.Lock()
		d.longest, d.last = 0, time.Now()
		d.mu.Unlock()
	}
}
