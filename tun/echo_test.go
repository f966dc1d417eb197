package tun

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// answerEcho makes the answer of a host to an echo request; nil: it is none.
func answerEcho(packet []byte) []byte {
	h, ok := parse(packet)
	if !ok || h.transport == 0 || !h.dontFragment {
		return nil
	}
	b := slices.Clone(packet)
	icmp := b[h.transport:]
	copy(icmp[2:], []byte{0, 0})
	switch {
	case h.protocol == protoICMP && icmp[0] == icmpEcho && checksum(packet[h.transport:]) == 0 && checksum(packet[:ipv4HeaderLen]) == 0:
		copy(b[12:], h.dst.AsSlice())
		copy(b[16:], h.src.AsSlice())
		icmp[0] = icmpEchoReply
		binary.BigEndian.PutUint16(icmp[2:], checksum(icmp))
	case h.protocol == protoICMPv6 && icmp[0] == icmpv6Echo &&
		fold(sum(0, packet[h.transport:])+pseudoHeader(h.src, h.dst, protoICMPv6, len(icmp))) == 0xffff:
		copy(b[8:], h.dst.AsSlice())
		copy(b[24:], h.src.AsSlice())
		icmp[0] = icmpv6EchoReply
		binary.BigEndian.PutUint16(icmp[2:], ^fold(pseudoHeader(h.dst, h.src, protoICMPv6, len(icmp))+sum(0, icmp)))
	default:
		return nil
	}
	return b
}

func TestEcho(t *testing.T) {
	for _, test := range []struct {
		name     string
		from, to string
		size     int
		answer   func([]byte) []byte
		want     bool
		asked    int
	}{
		{"IPv4", "10.9.0.2", "10.20.0.1", 1400, answerEcho, true, 1},
		{"IPv6", "fd00::2", "fd00:1::1", 1400, answerEcho, true, 1},
		{"larger than the MTU", "10.9.0.2", "10.20.0.1", 9000, answerEcho, true, 1},
		{"smallest", "10.9.0.2", "10.20.0.1", 32, answerEcho, true, 1},
		{"no answer", "10.9.0.2", "10.20.0.1", 1400, func([]byte) []byte { return nil }, false, 3},
		{"a shorter answer", "10.9.0.2", "10.20.0.1", 1400, func(b []byte) []byte {
			b = answerEcho(b)[:1000]
			binary.BigEndian.PutUint16(b[2:], 1000)
			return b
		}, false, 3},
		{"another's answer", "10.9.0.2", "10.20.0.1", 1400, func(b []byte) []byte {
			b = answerEcho(b)
			b[ipv4HeaderLen+5]++
			return b
		}, false, 3},
		{"too small", "10.9.0.2", "10.20.0.1", 31, answerEcho, false, 0},
		{"too large", "10.9.0.2", "10.20.0.1", maxPacket + 1, answerEcho, false, 0},
		{"two families", "10.9.0.2", "fd00:1::1", 1400, answerEcho, false, 0},
		{"nowhere", "10.9.0.2", "192.0.2.1", 1400, answerEcho, false, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t)
				here, there := selectors("10.9.0.2/32", "fd00::2/128"), selectors("10.20.0.0/16", "fd00:1::/64")
				for tunnel, p := range map[*Tunnel]*Pair{
					l.client:  newPair(t, 1, 2, here, there, into(l.gateway, Path{})),
					l.gateway: newPair(t, 2, 1, there, here, into(l.client, Path{})),
				} {
					if err := tunnel.Add(p); err != nil {
						t.Fatal(err)
					}
				}
				asked := 0
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				l.gateway.SetMTU(0)
				go func() {
					for {
						select {
						case p := <-l.gatewayDev.Written():
							asked++
							if a := test.answer(p); a != nil {
								l.gatewayDev.Inject(a)
							}
						case <-ctx.Done():
							return
						}
					}
				}()
				got := l.client.Echo(ctx, netip.MustParseAddr(test.from), netip.MustParseAddr(test.to), test.size)
				synctest.Wait()
				if got != test.want || asked != test.asked {
					t.Errorf("%t after %d requests, want %t after %d", got, asked, test.want, test.asked)
				}
				for _, p := range arrived(l.clientDev) {
					if test.name != "a shorter answer" && test.name != "another's answer" {
						t.Errorf("the device gets %x", p)
					}
				}
			})
		})
	}
}

// A ping of the host's own isn't taken for Echo's, and Echo ends with its context.
func TestEchoBesidePing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		l.join(t, 1, 2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		done := make(chan bool)
		go func() {
			done <- l.client.Echo(ctx, netip.MustParseAddr("10.9.0.2"), netip.MustParseAddr("10.20.0.1"), 100)
		}()
		synctest.Wait()
		pong := ipPacket("10.20.0.1", "10.9.0.2", protoICMP, append([]byte{icmpEchoReply, 0, 0, 0}, make([]byte, 76)...))
		l.gatewayDev.Inject(slices.Clone(pong))
		if got := arrived(l.clientDev); len(got) != 1 || !bytes.Equal(got[0], pong) {
			t.Errorf("the device gets %x", got)
		}
		if <-done {
			t.Error("answered by another's pong")
		}
	})
}
