package tun

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	wgtun "golang.zx2c4.com/wireguard/tun"

	"postern/tun/esp"
	"postern/tun/esp/lanes"
)

// day is what comes to pass in a day: packets of all sizes, new keys and other suites
// all the time, and a wire that loses, doubles and reorders. It is both devices and the
// wire; but for the loss each packet has to arrive once, as it was. What arrives is
// joined and cut again, as on its way into a kernel and out of another one.
type day struct {
	t      *testing.T
	random *rand.Rand
	noise  []byte // what packets are made of

	// The client's device.
	left int64 // octets
	sent uint64
	flow struct {
		left  int // packets of this size
		size  int
		tcp   bool
		seq   uint32
		ident uint16
	}
	events chan wgtun.Event
	once   sync.Once

	// The wire.
	client, gateway *Tunnel
	held, packets   [][]byte
	batch           []Datagram
	lost, doubled   uint64
	spi             uint32
	keysLast        int64 // octets

	// The gateway's device.
	joiner   joiner
	buffer   []byte
	cut      []byte
	arrived  []bool
	received uint64
	wrong    int
}

var daySuites = []esp.Suite{
	{Encryption: esp.AES, KeyBits: 128, Integrity: esp.HMACSHA1},
	{Encryption: esp.TripleDES, Integrity: esp.HMACMD5},
	{Encryption: esp.AESGCM16, KeyBits: 128},
	{Encryption: esp.AES, KeyBits: 256, Integrity: esp.HMACSHA256},
	{Encryption: esp.DES, Integrity: esp.HMACSHA1},
	{Encryption: esp.AES, KeyBits: 192, Integrity: esp.HMACSHA512},
}

// TestDay has 30 MB go through the pumps with the lanes of each kind; with
// POSTERN_DAY=10e9 in the environment 10 GB.
func TestDay(t *testing.T) {
	octets := int64(30e6)
	if testing.Short() {
		octets = 5e6
	}
	if s := os.Getenv("POSTERN_DAY"); s != "" {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f < 1 {
			t.Fatalf("POSTERN_DAY=%q is no number of octets", s)
		}
		octets = int64(f)
	}
	for _, tier := range []lanes.Tier{lanes.Pure, lanes.AVX2, lanes.AVX512} {
		t.Run(tier.String(), func(t *testing.T) {
			before := lanes.Used()
			if err := lanes.SetTier(tier); err != nil {
				t.Skip(err)
			}
			defer func() { _ = lanes.SetTier(before) }()
			newDay(t, octets).pass()
		})
	}
}

func newDay(t *testing.T, octets int64) *day {
	d := &day{
		t: t, random: rand.New(rand.NewPCG(uint64(octets), 7)), left: octets, noise: make([]byte, 1<<20),
		events: make(chan wgtun.Event), cut: make([]byte, maxPacket),
	}
	source := rand.NewChaCha8([32]byte{1})
	_, _ = source.Read(d.noise)
	return d
}

// pass has the day pass.
func (d *day) pass() {
	d.client, d.gateway = New(d), New(dayGateway{d})
	d.renew()
	if err := d.client.Serve(); !errors.Is(err, os.ErrClosed) { // at the day's end
		d.t.Error(err)
	}
	if err := d.client.Close(); err != nil {
		d.t.Error(err)
	}
	d.deliver(d.held)
	in, out := d.gateway.Stats().In, d.client.Stats().Out
	if out.Packets != d.sent || out.Drops != (Drops{}) {
		d.t.Errorf("%d packets sent, %+v", d.sent, out)
	}
	if d.received != d.sent-d.lost || in.Packets != d.received || in.Drops != (Drops{Replay: d.doubled}) || d.wrong > 0 {
		d.t.Errorf("%d of %d packets arrived, %d were lost, %d doubled, %d wrong: %+v", d.received, d.sent, d.lost, d.doubled, d.wrong, in)
	}
	d.t.Logf("%d packets, %d lost, %d doubled, %d pairs", d.sent, d.lost, d.doubled, d.spi/2)
}

// renew gives both ends new keys, and takes those before the last ones away.
func (d *day) renew() {
	d.keysLast = 3e6 + d.random.Int64N(3e6)
	d.spi += 2
	s := daySuites[int(d.spi/2)%len(daySuites)]
	in, out := d.spi<<8|1, d.spi<<8|2
	pair := func(in, out uint32, local, remote []Selector, send func([][]byte) error) *Pair {
		e, i := keys(s, in)
		inbound, err := esp.NewInbound(s, in, e, i)
		if err != nil {
			d.t.Fatal(err)
		}
		e, i = keys(s, out)
		outbound, err := esp.NewOutbound(s, out, e, i)
		if err != nil {
			d.t.Fatal(err)
		}
		return &Pair{In: inbound, Out: outbound, Local: local, Remote: remote, Send: send}
	}
	gateway := pair(out, in, officeNet, clientNet, func([][]byte) error { return nil })
	if err := d.gateway.Add(gateway); err != nil {
		d.t.Fatal(err)
	}
	if err := d.client.Add(pair(in, out, clientNet, officeNet, d.send)); err != nil {
		d.t.Fatal(err)
	}
}

// send is the wire. A batch is held back until the next one now and then, and comes
// behind it.
func (d *day) send(packets [][]byte) error {
	d.packets = d.packets[:0]
	for _, p := range packets {
		switch d.random.IntN(500) {
		case 0, 1, 2, 3, 4:
			d.lost++
			continue
		case 5:
			d.doubled++
			d.packets = append(d.packets, bytes.Clone(p))
		}
		d.packets = append(d.packets, p)
	}
	switch d.random.IntN(8) {
	case 0:
		d.random.Shuffle(len(d.packets), func(i, j int) { d.packets[i], d.packets[j] = d.packets[j], d.packets[i] })
	case 1:
		if len(d.held) == 0 {
			d.held = cloneAll(d.packets)
			return nil
		}
	}
	d.deliver(d.packets)
	d.deliver(d.held)
	d.held = nil
	return nil
}

func (d *day) deliver(packets [][]byte) {
	d.batch = d.batch[:0]
	for _, p := range packets {
		d.batch = append(d.batch, Datagram{Data: p})
	}
	d.gateway.Deliver(d.batch)
}

// packet appends the n-th packet. It says which it is, and so what it is made of.
func (d *day) packet(b []byte, n uint64, tcp bool, seq uint32, size int) []byte {
	b = append(b, 0x45, 0, 0, 0, byte(n>>8), byte(n), 0x40, 0, 64, protoUDP, 0, 0, 10, 9, 0, 2, 10, 20, 0, 1)
	if tcp {
		b[9] = protoTCP
		b = append(b, 1, 2, 0, 80)
		b = binary.BigEndian.AppendUint32(b, seq)
		b = append(b, 0, 0, 0, 7, 5<<4, tcpACK, 0x12, 0x34, 0, 0, 0, 0)
	} else {
		b = append(b, 1, 2, 0, 53, byte((udpHeaderLen+8+size)>>8), byte(udpHeaderLen+8+size), 0, 0)
	}
	b = binary.BigEndian.AppendUint64(b, n<<1|map[bool]uint64{true: 1}[tcp])
	b = append(b, d.noise[n*7919%uint64(len(d.noise)-size):][:size]...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	binary.BigEndian.PutUint16(b[10:], checksum(b[:20]))
	at := 20 + udpChecksum
	if tcp {
		at = 20 + tcpChecksum
	}
	c := ^fold(sum(uint64(b[9])+uint64(len(b)-20), b[12:20]) + sum(0, b[20:]))
	if c == 0 {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(b[at:], c)
	return b
}

// Read gives the next packets of the day: runs of equal TCP segments and datagrams,
// single ones of any size.
func (d *day) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	if d.keysLast < 0 {
		d.renew()
		// The pair before stays a while for what is held back.
		if old := (d.spi - 4) << 8; d.spi > 4 {
			d.deliver(d.held)
			d.held = nil
			if !d.client.Remove(old|1) || !d.gateway.Remove(old|2) {
				d.t.Errorf("pair %x wasn't there", old)
			}
		}
	}
	f := &d.flow
	n := 0
	for limit := 1 + d.random.IntN(len(bufs)); n < limit; n++ {
		if d.left <= 0 {
			break
		}
		if f.left == 0 {
			f.left, f.tcp, f.size = 1, d.random.IntN(3) > 0, d.random.IntN(1340)
			switch d.random.IntN(3) {
			case 0:
				f.left, f.size = 1+d.random.IntN(200), 1340
			case 1:
				f.left = 1 + d.random.IntN(40)
			}
		}
		p := d.packet(bufs[n][offset:offset], d.sent, f.tcp, f.seq, f.size)
		sizes[n] = len(p)
		f.seq += uint32(8 + f.size)
		d.arrived = append(d.arrived, false)
		d.sent++
		f.left--
		d.left -= int64(len(p))
		d.keysLast -= int64(len(p))
	}
	if n == 0 {
		return 0, os.ErrClosed
	}
	return n, nil
}

// dayGateway is the gateway's device.
type dayGateway struct{ *day }

// Write joins packets, cuts them, and looks at what comes out.
func (g dayGateway) Write(bufs [][]byte, offset int) (int, error) {
	d := g.day
	var packets [][]byte
	for _, b := range bufs {
		packets = append(packets, b[offset:])
	}
	d.joiner.begin(len(packets))
	for i := range packets {
		d.joiner.add(packets, i)
	}
	for i := range d.joiner.groups {
		group := &d.joiner.groups[i]
		h := group.finish(packets[group.first])
		d.buffer = append(d.buffer[:0], packets[group.first]...)
		for p := group.first; p != group.last; {
			p = d.joiner.next[p]
			d.buffer = append(d.buffer, packets[p][group.header:]...)
		}
		var s superpacket
		if err := s.set(h, d.buffer); err != nil {
			return 0, err
		}
		for {
			n, err := s.next(d.cut)
			if err != nil {
				return 0, err
			}
			if n == 0 {
				break
			}
			d.see(d.cut[:n])
		}
	}
	return len(bufs), nil
}

// see compares a packet with what it says it is.
func (d *day) see(p []byte) {
	header := 20 + udpHeaderLen
	if p[9] == protoTCP {
		header = 20 + tcpHeaderLen
	}
	mark := binary.BigEndian.Uint64(p[header:])
	n, tcp := mark>>1, mark&1 == 1
	want := d.packet(nil, n, tcp, binary.BigEndian.Uint32(p[24:]), len(p)-header-8)
	want[4], want[5] = p[4], p[5] // of packets with DF it means nothing
	want[10], want[11] = p[10], p[11]
	if n >= uint64(len(d.arrived)) || d.arrived[n] || !slices.Equal(p, want) {
		d.wrong++
		return
	}
	d.arrived[n] = true
	d.received++
}

// The rest of a device.
func (d *day) Write([][]byte, int) (int, error) { return 0, errServed }
func (d *day) MTU() (int, error)                { return 1400, nil }
func (d *day) Name() (string, error)            { return "day", nil }
func (d *day) File() *os.File                   { return nil }
func (d *day) Events() <-chan wgtun.Event       { return d.events }
func (d *day) BatchSize() int                   { return deviceBatch }
func (d *day) Close() error                     { d.once.Do(func() { close(d.events) }); return nil }
