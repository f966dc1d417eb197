package client

import (
	"context"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
	"postern/tun"
	"postern/tun/esp"
	"postern/tun/tuntest"
)

// BenchmarkJunk is what a datagram costs that anybody may send to a client with a live
// connection: from the socket's batch to where it is dropped, the SA's goroutine
// included. cpu-ns/op counts all threads. "through the kernel" is the receiver's share
// of one that comes over a real UDP socket, system calls included.
func BenchmarkJunk(b *testing.B) {
	var (
		gateway  = netip.AddrPortFrom(iketest.AddrB, 4500)
		stranger = netip.MustParseAddrPort("203.0.113.9:4500")
	)
	for _, c := range []struct {
		name string
		from netip.AddrPort
		make func(random *rand.Rand, sa *ike.SA) []byte // after the non-ESP marker, unless it begins with another SPI
		// before each batch; 0: as fast as they are read, and the SA's inbox drops most
		pause time.Duration
	}{
		{"random octets", stranger, func(random *rand.Rand, _ *ike.SA) []byte { return noise(random, nil, 300) }, 0},
		{"IKE truncated", stranger, func(random *rand.Rand, sa *ike.SA) []byte {
			return message(random, sa.Info().CookieI, sa.Info().CookieR, isakmp.ExchangeQuick, 300)[:200]
		}, 0},
		{"IKE of no SA", stranger, func(random *rand.Rand, _ *ike.SA) []byte {
			return message(random, isakmp.Cookie{1}, isakmp.Cookie{2}, isakmp.ExchangeInformational, 300)
		}, 0},
		{"IKE of the SA, forged", stranger, func(random *rand.Rand, sa *ike.SA) []byte {
			return message(random, sa.Info().CookieI, sa.Info().CookieR, isakmp.ExchangeQuick, 300)
		}, 0},
		{"IKE of the SA, forged, no more than it takes", stranger, func(random *rand.Rand, sa *ike.SA) []byte {
			return message(random, sa.Info().CookieI, sa.Info().CookieR, isakmp.ExchangeQuick, 300)
		}, time.Millisecond},
		{"random octets, with the same pauses", stranger, func(random *rand.Rand, _ *ike.SA) []byte { return noise(random, nil, 300) }, time.Millisecond},
		{"a phase 1 begun by a stranger", stranger, func(random *rand.Rand, _ *ike.SA) []byte {
			octets := message(random, isakmp.Cookie(noise(random, nil, 8)), isakmp.Cookie{}, isakmp.ExchangeMain, 300)
			clear(octets[4+19 : 4+24]) // in clear, message ID 0
			return octets
		}, 0},
		{"INVALID-SPI in the gateway's name", gateway, func(*rand.Rand, *ike.SA) []byte { return hint() }, 0},
		{"ESP of no SA", stranger, func(random *rand.Rand, _ *ike.SA) []byte { return noise(random, []byte{9, 9, 9, 9}, 300) }, 0},
		{"ESP of the SA, forged", stranger, func(random *rand.Rand, _ *ike.SA) []byte {
			return noise(random, []byte{0, 0, 16, 0, 0, 0, 1, 0}, 8+16+256+12)
		}, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := liveSession(b)
			random := rand.New(rand.NewPCG(1, 2))
			source := &junk{from: c.from, left: b.N, pause: c.pause}
			for range 1024 {
				source.octets = append(source.octets, c.make(random, s.current().sa))
			}
			carrier := tun.NewCarrier(source, netip.AddrPortFrom(iketest.AddrA, 4500), tun.ByRemotePort)
			carrier.Attach(s.inside.tunnel)
			before := used(syscall.RUSAGE_SELF)
			b.ResetTimer()
			b.ReportAllocs()
			if err := carrier.Serve(func(msg []byte, from tun.Path) { s.router.Deliver(msg, ike.Path(from)) }); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			b.ReportMetric(float64(used(syscall.RUSAGE_SELF)-before)/float64(b.N), "cpu-ns/op")
		})
	}
	b.Run("through the kernel, IKE of no SA", func(b *testing.B) { throughKernel(b, liveSession(b)) })
}

// throughKernel sends junk to a real socket, and counts what its reader's thread uses.
func throughKernel(b *testing.B, s *session) {
	carrier, err := tun.ListenUDP(netip.MustParseAddrPort("127.0.0.1:0"), tun.ByRemotePort)
	if err != nil {
		b.Fatal(err)
	}
	out, err := net.Dial("udp4", carrier.LocalAddr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer out.Close()
	carrier.Attach(s.inside.tunnel)
	spent := make(chan time.Duration, 1)
	go func() {
		runtime.LockOSThread() // what the thread uses is the reader's
		before := used(syscall.RUSAGE_THREAD)
		_ = carrier.Serve(func(msg []byte, from tun.Path) { s.router.Deliver(msg, ike.Path(from)) })
		spent <- used(syscall.RUSAGE_THREAD) - before
	}()
	octets := message(rand.New(rand.NewPCG(1, 2)), isakmp.Cookie{1}, isakmp.Cookie{2}, isakmp.ExchangeInformational, 300)
	b.ResetTimer()
	lost := uint64(0)
	for i := range uint64(b.N) {
		_, _ = out.Write(octets)
		if i > carrier.Stats().IKE+lost+1000 { // no more than its buffer holds
			time.Sleep(10 * time.Millisecond)
			lost = i - min(i, carrier.Stats().IKE)
		}
	}
	b.StopTimer()
	received := carrier.Stats().IKE
	carrier.Close()
	b.ReportMetric(float64(<-spent)/float64(max(received, 1)), "cpu-ns/op")
	b.ReportMetric(float64(received)/float64(b.N), "received/op")
}

// liveSession is a session with a phase 1 and a child, which ends with the benchmark.
func liveSession(b *testing.B) *session {
	pipe := iketest.NewPipe()
	ctx, cancel := context.WithCancel(context.Background())
	log := slog.New(slog.DiscardHandler)
	cfg := ike.Config{
		Proposals: []ike.Proposal{{Cipher: isakmp.CipherAES, KeyBits: 128, Hash: isakmp.HashSHA1, Group: isakmp.GroupCurve25519}},
		Secret:    []byte("secret"), Identity: isakmp.ID{Type: isakmp.IDKeyID, Data: []byte("staff")}, DPD: time.Minute, Log: log,
	}
	go func() {
		w, err := pipe.B.Next(ctx)
		if err != nil {
			return
		}
		own := cfg
		own.Groups = func(ike.Hello) []ike.Group { return []ike.Group{{Secret: cfg.Secret}} }
		if sa, err := ike.Accept(ctx, w, own); err == nil {
			<-ctx.Done()
			sa.Abandon()
		}
	}()
	// The router is the session's, what it sends goes over the pipe.
	sa, err := ike.Dial(ctx, pipe.A, pipe.ToB, cfg)
	if err != nil {
		b.Fatal(err)
	}
	s := &session{log: log, router: pipe.A, inside: &inside{tunnel: liveTunnel(b)}}
	s.ctx, s.stop = context.WithCancel(ctx)
	s.phase1.Store(&phase1{sa: sa})
	s.router.OnStray(s.strayed)
	s.tasks.Go(s.answerGateway)
	b.Cleanup(func() {
		s.stop()
		s.tasks.Wait()
		cancel()
		sa.Abandon()
		pipe.Close()
		_ = s.inside.tunnel.Close()
	})
	return s
}

// liveTunnel has one child, whose inbound SPI is 1000 (hexadecimal).
func liveTunnel(b *testing.B) *tun.Tunnel {
	su := esp.Suite{Encryption: esp.AES, KeyBits: 128, Integrity: esp.HMACSHA1}
	in, err := esp.NewInbound(su, 0x1000, make([]byte, 16), make([]byte, 20))
	if err != nil {
		b.Fatal(err)
	}
	out, err := esp.NewOutbound(su, 0x2000, make([]byte, 16), make([]byte, 20))
	if err != nil {
		b.Fatal(err)
	}
	t := tun.New(tuntest.New(1400))
	everything := []tun.Selector{{Prefix: netip.MustParsePrefix("0.0.0.0/0")}}
	if err := t.Add(&tun.Pair{In: in, Out: out, Local: everything, Remote: everything, Send: func([][]byte) error { return nil }}); err != nil {
		b.Fatal(err)
	}
	return t
}

// junk is a socket on which datagrams come as fast as they are read, until none are left.
type junk struct {
	from   netip.AddrPort
	octets [][]byte
	left   int
	next   int
	pause  time.Duration // before each batch
}

func (j *junk) Read(in []tun.Datagram) (n int, err error) {
	if j.left == 0 {
		return 0, net.ErrClosed
	}
	if j.pause > 0 {
		time.Sleep(j.pause)
		in = in[:min(len(in), 32)]
	}
	for ; n < len(in) && j.left > 0; n, j.left, j.next = n+1, j.left-1, j.next+1 {
		in[n] = tun.Datagram{Data: j.octets[j.next%len(j.octets)], From: tun.Path{Local: netip.AddrPortFrom(iketest.AddrA, 4500), Remote: j.from}}
	}
	return n, nil
}

func (j *junk) Write([][]byte, tun.Path) error { return nil }
func (j *junk) Source(netip.Addr) netip.Addr   { return iketest.AddrA }
func (j *junk) Close() error                   { return nil }

// noise is octets that begin with some.
func noise(random *rand.Rand, begin []byte, n int) []byte {
	octets := make([]byte, n)
	for i := range octets {
		octets[i] = byte(random.Uint32())
	}
	copy(octets, begin)
	return octets
}

// message is the non-ESP marker and an encrypted ISAKMP message of noise.
func message(random *rand.Rand, i, r isakmp.Cookie, exchange isakmp.ExchangeType, n int) []byte {
	octets := noise(random, make([]byte, 4), 4+isakmp.HeaderLen+n&^15)
	h := octets[4:]
	copy(h, i[:])
	copy(h[8:], r[:])
	h[16], h[17], h[18], h[19] = byte(isakmp.PayloadHash), 0x10, byte(exchange), byte(isakmp.FlagEncryption)
	binary.BigEndian.PutUint32(h[24:], uint32(len(h)))
	return octets
}

// hint is INVALID-SPI in clear, under cookies that belong to nothing.
func hint() []byte {
	n := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoESP, Type: isakmp.NotifyInvalidSPI, SPI: []byte{0, 0, 16, 0}}
	octets := message(rand.New(rand.NewPCG(1, 2)), isakmp.Cookie{1}, isakmp.Cookie{2}, isakmp.ExchangeInformational, 0)
	octets[4+16], octets[4+19] = byte(isakmp.PayloadNotify), 0
	octets = isakmp.AppendPayloads(octets, []isakmp.Payload{{Type: isakmp.PayloadNotify, Body: n.Marshal()}})
	binary.BigEndian.PutUint32(octets[4+24:], uint32(len(octets)-4))
	return octets
}

// used is the processor time of this process, or thread.
func used(whose int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(whose, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
