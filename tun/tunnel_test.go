package tun

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/tun/esp"
	"postern/tun/tuntest"
)

var suite = esp.Suite{Encryption: esp.AES, KeyBits: 128, Integrity: esp.HMACSHA1}

func selectors(prefixes ...string) []Selector {
	var ss []Selector
	for _, p := range prefixes {
		ss = append(ss, Selector{Prefix: netip.MustParsePrefix(p)})
	}
	return ss
}

// keys are the same for equal SPIs: what both ends agreed on.
func keys(s esp.Suite, spi uint32) (encryption, integrity []byte) {
	e, i := s.KeyLengths()
	return bytes.Repeat([]byte{byte(spi)}, e), bytes.Repeat([]byte{byte(spi >> 8)}, i)
}

// newPair makes one end of a pair of associations.
func newPair(t testing.TB, in, out uint32, local, remote []Selector, send func([][]byte) error) *Pair {
	t.Helper()
	e, i := keys(suite, in)
	inbound, err := esp.NewInbound(suite, in, e, i)
	if err != nil {
		t.Fatal(err)
	}
	e, i = keys(suite, out)
	outbound, err := esp.NewOutbound(suite, out, e, i)
	if err != nil {
		t.Fatal(err)
	}
	return &Pair{In: inbound, Out: outbound, Local: local, Remote: remote, Send: send}
}

var clientNet, officeNet = selectors("10.9.0.2/32"), selectors("10.20.0.0/16")

// office makes the two ends of a pair between a client, 10.9.0.2, and a network
// behind a gateway.
func office(t testing.TB, client, gateway uint32, toGateway, toClient func([][]byte) error) (c, g *Pair) {
	return newPair(t, client, gateway, clientNet, officeNet, toGateway),
		newPair(t, gateway, client, officeNet, clientNet, toClient)
}

// into returns a Send function that delivers to a tunnel.
func into(t *Tunnel, from Path) func([][]byte) error {
	return func(packets [][]byte) error {
		batch := make([]Datagram, len(packets))
		for i, p := range packets {
			batch[i] = Datagram{bytes.Clone(p), from}
		}
		t.Deliver(batch)
		return nil
	}
}

// lab is a client's and a gateway's tunnel, joined in memory, in virtual time.
type lab struct {
	clientDev, gatewayDev *tuntest.Device
	client, gateway       *Tunnel
	wait                  sync.WaitGroup
}

func newLab(t *testing.T) *lab {
	l := &lab{clientDev: tuntest.New(1400), gatewayDev: tuntest.New(1400)}
	l.client, l.gateway = New(l.clientDev), New(l.gatewayDev)
	for _, tunnel := range []*Tunnel{l.client, l.gateway} {
		l.wait.Go(func() {
			if err := tunnel.Serve(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		l.client.Close()
		l.gateway.Close()
		l.wait.Wait()
	})
	return l
}

// join adds a pair to both.
func (l *lab) join(t *testing.T, client, gateway uint32) (c, g *Pair) {
	t.Helper()
	c, g = office(t, client, gateway, into(l.gateway, Path{}), into(l.client, Path{}))
	for _, err := range []error{l.client.Add(c), l.gateway.Add(g)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return c, g
}

// arrived returns what was written to a device so far.
func arrived(d *tuntest.Device) [][]byte {
	synctest.Wait()
	var packets [][]byte
	for {
		select {
		case p := <-d.Written():
			packets = append(packets, p)
		default:
			return packets
		}
	}
}

func TestTunnelBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		c, g := l.join(t, 0x1001, 0x2001)
		there := udpPacket("10.9.0.2:7", "10.20.0.1:9", []byte("there"))
		back := udpPacket("10.20.0.1:9", "10.9.0.2:7", []byte("back again"))

		l.clientDev.Inject(slices.Clone(there))
		l.clientDev.Inject(slices.Clone(there))
		if diff := cmp.Diff([][]byte{there, there}, arrived(l.gatewayDev)); diff != "" {
			t.Errorf("at the gateway (-want +got)\n%s", diff)
		}
		time.Sleep(time.Minute)
		l.gatewayDev.Inject(slices.Clone(back))
		if diff := cmp.Diff([][]byte{back}, arrived(l.clientDev)); diff != "" {
			t.Errorf("at the client (-want +got)\n%s", diff)
		}

		want := Traffic{Packets: 2, Octets: uint64(2 * len(there))}
		for name, got := range map[string]Traffic{
			"client pair": c.Stats().Out, "client": l.client.Stats().Out,
			"gateway pair": g.Stats().In, "gateway": l.gateway.Stats().In,
		} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got)\n%s", name, diff)
			}
		}
		if got := c.LastInbound().Sub(c.LastOutbound()); got != time.Minute {
			t.Errorf("the answer came %v after the question, want 1m", got)
		}
		if idle := time.Since(c.LastInbound()); idle != 0 {
			t.Errorf("idle for %v, want 0", idle)
		}
	})
}

func TestSelectorsBothWays(t *testing.T) {
	any4, any6 := selectors("0.0.0.0/0"), selectors("::/0")
	web := []Selector{{Prefix: netip.MustParsePrefix("10.20.0.0/16"), Protocol: 6, Port: 80}}
	for _, test := range []struct {
		name          string
		packet        []byte
		local, remote []Selector
		pass          bool
	}{
		{"inside", udpPacket("10.9.0.2:7", "10.20.0.1:9", nil), clientNet, officeNet, true},
		{"everything", udpPacket("10.9.0.2:7", "10.30.0.1:9", nil), clientNet, any4, true},
		{"one of several", udpPacket("10.9.0.2:7", "10.30.0.1:9", nil), clientNet, selectors("10.20.0.0/16", "10.30.0.0/16"), true},
		{"IPv6", udpPacket("[fd00::2]:7", "[fd00:1::1]:9", nil), any6, any6, true},
		{"foreign source", udpPacket("10.9.0.3:7", "10.20.0.1:9", nil), clientNet, officeNet, false},
		{"foreign destination", udpPacket("10.9.0.2:7", "10.30.0.1:9", nil), clientNet, officeNet, false},
		{"other family", udpPacket("[fd00::2]:7", "[fd00:1::1]:9", nil), any4, any4, false},
		{"other protocol", udpPacket("10.9.0.2:7", "10.20.0.1:80", nil), clientNet, web, false},
		{"protocol and port", syn("10.9.0.2", "10.20.0.1"), clientNet, web, true},
		{"a fragment without the port", ipPacket("10.9.0.2", "10.20.0.1", 6, []byte{0, 0}), clientNet, web, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				// The sender's own selectors are the ones under test, the receiver
				// takes all; then the other way round.
				for _, strict := range []string{"sender", "receiver"} {
					l := newLab(t)
					open := selectors("0.0.0.0/0", "::/0")
					c := newPair(t, 1, 2, open, open, into(l.gateway, Path{}))
					g := newPair(t, 2, 1, open, open, into(l.client, Path{}))
					if strict == "sender" {
						c.Local, c.Remote = test.local, test.remote
					} else {
						g.Local, g.Remote = test.remote, test.local
					}
					if err := l.client.Add(c); err != nil {
						t.Fatal(err)
					}
					if err := l.gateway.Add(g); err != nil {
						t.Fatal(err)
					}
					l.clientDev.Inject(slices.Clone(test.packet))
					got := arrived(l.gatewayDev)
					if passed := len(got) == 1; passed != test.pass {
						t.Errorf("strict %s: passed = %v, want %v", strict, passed, test.pass)
					}
					drops := l.client.Stats().Out.Drops.Selectors + l.gateway.Stats().In.Drops.Selectors
					if dropped := drops == 1; dropped == test.pass {
						t.Errorf("strict %s: %d dropped for selectors", strict, drops)
					}
				}
			})
		})
	}
}

func TestDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		there := udpPacket("10.9.0.2:7", "10.20.0.1:9", []byte("there"))

		l.clientDev.Inject(slices.Clone(there))
		synctest.Wait()
		if got := l.client.Stats().Out.Drops; got != (Drops{NoSA: 1}) {
			t.Errorf("without a pair: %+v", got)
		}

		var sent [][]byte
		c, g := office(t, 1, 2, func(packets [][]byte) error {
			for _, p := range packets {
				sent = append(sent, bytes.Clone(p))
			}
			return nil
		}, func([][]byte) error { return nil })
		if err := l.client.Add(c); err != nil {
			t.Fatal(err)
		}
		if err := l.gateway.Add(g); err != nil {
			t.Fatal(err)
		}
		l.clientDev.Inject(slices.Clone(there))
		l.clientDev.Inject([]byte{0x45, 0, 0})
		synctest.Wait()
		if got := l.client.Stats().Out.Drops; got != (Drops{NoSA: 1, Malformed: 1}) {
			t.Errorf("half a packet: %+v", got)
		}
		if len(sent) != 1 {
			t.Fatalf("%d packets sent, want 1", len(sent))
		}

		forged := bytes.Clone(sent[0])
		forged[len(forged)-1]++
		unknown := bytes.Clone(sent[0])
		unknown[0]++
		// What an authentic peer may still send wrongly.
		wrong := func(inner []byte, next uint8) []byte {
			b, err := c.Out.Seal(nil, inner, next)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		l.gateway.Deliver([]Datagram{
			{Data: forged},
			{Data: bytes.Clone(sent[0])},
			{Data: bytes.Clone(sent[0])},
			{Data: unknown},
			{Data: sent[0][:7]},
			{Data: wrong(there, esp.NextIPv6)},
			{Data: wrong(there[:20], esp.NextIPv4)},
			{Data: wrong(nil, esp.NextNone)},
			{Data: wrong(append(slices.Clone(there), 0, 0, 0), esp.NextIPv4)}, // traffic flow padding
		})
		want := Traffic{
			Packets: 2, Octets: uint64(2 * len(there)),
			Drops: Drops{NoSA: 1, Replay: 1, Integrity: 1, Malformed: 3},
		}
		if diff := cmp.Diff(want, l.gateway.Stats().In); diff != "" {
			t.Errorf("gateway (-want +got)\n%s", diff)
		}
		if diff := cmp.Diff([][]byte{there, there}, arrived(l.gatewayDev)); diff != "" {
			t.Errorf("at the device (-want +got)\n%s", diff)
		}
	})
}

func TestSendAndDeviceErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		c, g := office(t, 1, 2, func([][]byte) error { return errServed }, func([][]byte) error { return nil })
		if err := l.client.Add(c); err != nil {
			t.Fatal(err)
		}
		l.clientDev.Inject(udpPacket("10.9.0.2:7", "10.20.0.1:9", nil))
		synctest.Wait()
		if got := l.client.Stats().Out.Drops; got != (Drops{Send: 1}) {
			t.Errorf("send: %+v", got)
		}
		if !c.LastOutbound().IsZero() {
			t.Error("what wasn't sent counts as sent")
		}

		other := New(refusing{l.gatewayDev})
		if err := other.Add(g); err != nil {
			t.Fatal(err)
		}
		packet, _ := c.Out.Seal(nil, udpPacket("10.9.0.2:7", "10.20.0.1:9", nil), esp.NextIPv4)
		other.Deliver([]Datagram{{Data: packet}})
		if got := other.Stats().In.Drops; got != (Drops{Device: 1}) {
			t.Errorf("device: %+v", got)
		}
	})
}

// refusing is a device that takes no packet.
type refusing struct{ Device }

func (refusing) Write([][]byte, int) (int, error) { return 0, errServed }

func TestMakeBeforeBreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		old, _ := l.join(t, 0x11, 0x21)
		var late [][]byte
		oldGateway := l.gateway.table.Load().bySPI[0x21]

		there := udpPacket("10.9.0.2:7", "10.20.0.1:9", []byte("there"))
		packet, _ := old.Out.Seal(nil, there, esp.NextIPv4) // still on its way when the new pair comes
		late = append(late, packet)

		c, g := office(t, 0x12, 0x22, into(l.gateway, Path{}), into(l.client, Path{}))
		if err := l.client.AddInbound(c); err != nil {
			t.Fatal(err)
		}
		if err := l.gateway.Add(g); err != nil {
			t.Fatal(err)
		}
		send := func() {
			t.Helper()
			l.clientDev.Inject(slices.Clone(there))
			if n := len(arrived(l.gatewayDev)); n != 1 {
				t.Fatalf("%d packets arrived, want 1", n)
			}
		}

		send()
		if n := c.Stats().Out.Packets; n != 0 {
			t.Errorf("an inbound-only pair sent %d packets", n)
		}
		if !l.client.Activate(0x12) {
			t.Error("Activate found no pair")
		}
		send()
		if n := c.Stats().Out.Packets; n != 1 {
			t.Errorf("the newest pair sent %d packets, want 1", n)
		}
		l.gateway.Deliver([]Datagram{{Data: late[0]}})
		if n := len(arrived(l.gatewayDev)); n != 1 {
			t.Errorf("the old pair opened %d late packets, want 1", n)
		}

		// The newest one retired: back to the old one.
		l.client.Retire(0x12)
		send()
		if n := old.Stats().Out.Packets; n != 2 {
			t.Errorf("the old pair sent %d packets, want 2", n)
		}
		l.client.Activate(0x12)
		if !l.client.Remove(0x11) || !l.gateway.Remove(0x21) {
			t.Error("Remove found no pair")
		}
		send()
		if l.client.Remove(0x11) || l.client.Activate(0x11) || l.client.Retire(0x11) {
			t.Error("a removed pair is still found")
		}
		packet, _ = old.Out.Seal(nil, there, esp.NextIPv4)
		l.gateway.Deliver([]Datagram{{Data: packet}})
		if got := l.gateway.Stats().In.Drops; got != (Drops{NoSA: 1}) {
			t.Errorf("a removed pair's packet: %+v", got)
		}
		if got := oldGateway.Stats().In.Packets; got != 3 {
			t.Errorf("the gateway's old pair opened %d packets, want 3", got)
		}
	})
}

func TestAddRefuses(t *testing.T) {
	tunnel := New(tuntest.New(1400))
	defer tunnel.Close()
	send := func([][]byte) error { return nil }
	if err := tunnel.Add(newPair(t, 1, 2, clientNet, officeNet, send)); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*Pair{
		"SPI in use":        newPair(t, 1, 3, clientNet, officeNet, send),
		"no local selector": newPair(t, 4, 5, nil, officeNet, send),
		"no prefix":         newPair(t, 4, 5, clientNet, []Selector{{}}, send),
		"no Send":           newPair(t, 4, 5, clientNet, officeNet, nil),
		"nothing":           {},
	} {
		if err := tunnel.Add(p); err == nil {
			t.Errorf("%s: added", name)
		}
	}
}

// TestManyClients: a gateway finds each client's pair, and the newer pair of a
// client that renewed.
func TestManyClients(t *testing.T) {
	const clients = 2000
	synctest.Test(t, func(t *testing.T) {
		dev := tuntest.New(1400)
		tunnel := New(dev)
		var last atomic.Uint32
		add := func(spi uint32, remote netip.Addr) {
			p := newPair(t, spi, spi, selectors("0.0.0.0/0"), selectors(netip.PrefixFrom(remote, 32).String()), func([][]byte) error {
				last.Store(spi)
				return nil
			})
			if err := tunnel.Add(p); err != nil {
				t.Fatal(err)
			}
		}
		addr := netip.MustParseAddr("10.9.0.0")
		var addrs []netip.Addr
		for spi := range uint32(clients) {
			addr = addr.Next()
			addrs = append(addrs, addr)
			add(0x1000+spi, addr)
		}
		add(0x99999, addrs[7])
		go tunnel.Serve()
		defer tunnel.Close()
		for _, i := range []int{0, 7, clients - 1} {
			dev.Inject(udpPacket("10.20.0.1:9", addrs[i].String()+":7", nil))
			synctest.Wait()
			want := 0x1000 + uint32(i)
			if i == 7 {
				want = 0x99999
			}
			if got := last.Load(); got != want {
				t.Errorf("to %v: pair %08x, want %08x", addrs[i], got, want)
			}
		}
	})
}

func TestSeen(t *testing.T) {
	var seen []Path
	c, g := office(t, 1, 2, func([][]byte) error { return nil }, func([][]byte) error { return nil })
	g.Seen = func(from Path) { seen = append(seen, from) }
	tunnel := New(tuntest.New(1400))
	defer tunnel.Close()
	if err := tunnel.Add(g); err != nil {
		t.Fatal(err)
	}
	var packets [][]byte
	for range 3 {
		p, _ := c.Out.Seal(nil, udpPacket("10.9.0.2:7", "10.20.0.1:9", nil), esp.NextIPv4)
		packets = append(packets, p)
	}
	forged := bytes.Clone(packets[2])
	forged[20]++
	from := func(port uint16) Path {
		return Path{Remote: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.10"), port)}
	}
	tunnel.Deliver([]Datagram{
		{packets[0], from(1)},
		{forged, from(2)},
		{packets[2], from(3)},
		{packets[1], from(4)}, // late
	})
	if diff := cmp.Diff([]Path{from(1), from(3)}, seen, compareAddrs); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestMTU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		open := selectors("0.0.0.0/0", "::/0")
		c := newPair(t, 1, 2, open, open, into(l.gateway, Path{}))
		g := newPair(t, 2, 1, open, open, into(l.client, Path{}))
		if err := l.client.Add(c); err != nil {
			t.Fatal(err)
		}
		if err := l.gateway.Add(g); err != nil {
			t.Fatal(err)
		}
		l.client.SetMTU(1000)
		data := make([]byte, 1300)

		// TCP hears of the MTU on its way out.
		l.clientDev.Inject(syn("10.9.0.2", "10.20.0.1", 2, 4, 0x05, 0xb4))
		got := arrived(l.gatewayDev)
		if len(got) != 1 || !bytes.HasSuffix(got[0], []byte{2, 4, 0x03, 0xc0}) {
			t.Errorf("SYN out: %x", got)
		}
		// And on its way in.
		l.gatewayDev.Inject(syn("10.20.0.1", "10.9.0.2", 2, 4, 0x05, 0xb4))
		got = arrived(l.clientDev)
		if len(got) != 1 || !bytes.HasSuffix(got[0], []byte{2, 4, 0x03, 0xc0}) {
			t.Errorf("SYN in: %x", got)
		}

		for _, test := range []struct {
			big []byte
			mtu uint16
		}{
			{withDF(udpPacket("10.9.0.2:7", "10.20.0.1:9", data)), 1000},
			{udpPacket("[fd00::2]:7", "[fd00:1::1]:9", data), 1280}, // each link of IPv6 has that
		} {
			l.clientDev.Inject(slices.Clone(test.big))
			notices := arrived(l.clientDev)
			if len(notices) != 1 || len(arrived(l.gatewayDev)) != 0 {
				t.Fatalf("%d notices, want 1", len(notices))
			}
			checkNotice(t, notices[0], test.big, test.mtu)
		}
		l.clientDev.Inject(udpPacket("[fd00::2]:7", "[fd00:1::1]:9", data[:1232]))
		if n := len(arrived(l.gatewayDev)); n != 1 {
			t.Errorf("%d packets of 1280 octets arrived, want 1", n)
		}
		// Without DF it goes in fragments.
		l.clientDev.Inject(udpPacket("10.9.0.2:7", "10.20.0.1:9", data))
		fragments := arrived(l.gatewayDev)
		if len(fragments) != 2 || len(fragments[0]) > 1000 || len(fragments[1]) > 1000 {
			t.Errorf("%d fragments arrived, want 2", len(fragments))
		}
		if got := l.client.Stats().Out.Drops; got != (Drops{TooBig: 2}) {
			t.Errorf("%+v", got)
		}
	})
}

// checkNotice checks an ICMP message about a packet that was too big for the MTU.
func checkNotice(t *testing.T, notice, big []byte, mtu uint16) {
	t.Helper()
	h, ok := parse(notice)
	refused, _ := parse(big)
	if !ok || h.src != refused.dst || h.dst != refused.src {
		t.Fatalf("notice %x", notice)
	}
	icmp := notice[h.transport:]
	var head []byte
	s := sum(0, icmp)
	if h.dst.Is6() {
		head = []byte{2, 0, icmp[2], icmp[3], 0, 0, byte(mtu >> 8), byte(mtu)}
		s += pseudoHeader(h.src, h.dst, protoICMPv6, len(icmp))
	} else {
		head = []byte{3, 4, icmp[2], icmp[3], 0, 0, byte(mtu >> 8), byte(mtu)}
		if checksum(notice[:ipv4HeaderLen]) != 0 {
			t.Error("wrong IP checksum")
		}
	}
	if fold(s) != 0xffff {
		t.Error("wrong ICMP checksum")
	}
	if !bytes.Equal(icmp[:8], head) || !bytes.HasPrefix(big, icmp[8:]) {
		t.Errorf("notice %x", icmp)
	}
	if !isICMPError(notice, &h) {
		t.Error("the notice isn't taken for one")
	}
}

// TestCloseTwice: Close may come first, twice, and while packets arrive.
func TestCloseTwice(t *testing.T) {
	tunnel := New(tuntest.New(1400))
	served := make(chan error)
	go func() { served <- tunnel.Serve() }()
	var deliver sync.WaitGroup
	deliver.Go(func() {
		for range 100 {
			tunnel.Deliver([]Datagram{{Data: make([]byte, 100)}})
		}
	})
	if err := tunnel.Close(); err != nil {
		t.Error(err)
	}
	if err := tunnel.Close(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	deliver.Wait()
	if err := tunnel.Serve(); err == nil {
		t.Error("served twice")
	}
}

// TestNoAllocations: nothing is allocated per packet once buffers have grown.
func TestNoAllocations(t *testing.T) {
	const batch = 8
	device := &silent{Device: tuntest.New(1400)}
	var sent [][]byte
	client := New(device)
	defer client.Close()
	gateway := New(device)
	c, g := office(t, 1, 2, func(packets [][]byte) error {
		sent = packets
		return nil
	}, func([][]byte) error { return nil })
	g.Seen = func(Path) {}
	if err := client.Add(c); err != nil {
		t.Fatal(err)
	}
	if err := gateway.Add(g); err != nil {
		t.Fatal(err)
	}
	packet := udpPacket("10.9.0.2:7", "10.20.0.1:9", make([]byte, 1000))
	datagrams := make([]Datagram, batch)
	allocations := testing.AllocsPerRun(100, func() {
		for i := range batch {
			client.outbound.sizes[i] = copy(client.outbound.buffers[i][headroom:], packet)
		}
		client.seal(batch)
		for i, p := range sent {
			datagrams[i].Data = p
		}
		gateway.Deliver(datagrams)
	})
	if allocations > 0 {
		t.Errorf("%v allocations for %d packets", allocations, batch)
	}
	if got, want := gateway.Stats().In.Packets, client.Stats().Out.Packets; got != want || got == 0 {
		t.Errorf("%d packets arrived of %d", got, want)
	}
}

// silent is a device that takes packets and forgets them.
type silent struct{ Device }

func (silent) Write(bufs [][]byte, _ int) (int, error) { return len(bufs), nil }
