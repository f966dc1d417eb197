package ike_test

import (
	"crypto/md5"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"postern/ike"
	"postern/ike/iketest"
	"postern/ike/isakmp"
)

// natAt maps A's port to another and A's address to the NAT's.
func natAt(port uint16) func(netip.AddrPort) netip.AddrPort {
	return func(netip.AddrPort) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr("198.51.100.7"), port)
	}
}

// Who finds which end behind a NAT, and where IKE and ESP go then.
func TestNATDetection(t *testing.T) {
	tests := []struct {
		name     string
		nat      bool
		a, b     ike.NATTraversal
		us, peer bool // as A finds them
		off      bool
	}{
		{"no NAT", false, ike.NATAuto, ike.NATAuto, false, false, false},
		{"A behind a NAT", true, ike.NATAuto, ike.NATAuto, true, false, false},
		{"A forces it", false, ike.NATForce, ike.NATAuto, true, false, false},
		{"B forces it", false, ike.NATAuto, ike.NATForce, false, true, false},
		{"both force it", false, ike.NATForce, ike.NATForce, true, true, false},
		{"A has it off", true, ike.NATOff, ike.NATAuto, false, false, true},
		{"B has it off", true, ike.NATAuto, ike.NATOff, false, false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, r *rig) {
				if test.nat {
					r.SetNAT(natAt(31000))
				}
				r.a.NATTraversal, r.b.NATTraversal = test.a, test.b
				a, b := r.connect()
				na, nb := a.Info().NAT, b.Info().NAT
				if na.Us != test.us || na.Peer != test.peer || na.Supported == test.off {
					t.Errorf("A finds %+v", na)
				}
				if nb.Us != test.peer || nb.Peer != test.us || nb.Supported == test.off {
					t.Errorf("B finds %+v", nb)
				}
				udp := test.us || test.peer
				if na.Encapsulate() != udp || nb.Encapsulate() != udp {
					t.Errorf("ESP in UDP: A %v, B %v; want %v", na.Encapsulate(), nb.Encapsulate(), udp)
				}
				wantPort := uint16(500)
				if udp {
					wantPort = 4500
				}
				if p := a.Path(); p.Remote.Port() != wantPort || p.Marker != udp {
					t.Errorf("A sends to %+v", p)
				}
				ca, _ := r.quick(a)
				if ca.Encapsulated != udp {
					t.Errorf("the child is encapsulated: %v", ca.Encapsulated)
				}
				request(t, b)
			})
		})
	}
}

// Each text of NAT traversal: the payloads that it numbers, the encapsulation
// mode, whether IKE moves to port 4500, and what is before ESP where it doesn't.
func TestNATTraversalTexts(t *testing.T) {
	texts := []struct {
		name, vid string
		natd      isakmp.PayloadType
		mode      isakmp.Encapsulation
		floats    bool
	}{
		{"RFC 3947", "RFC 3947", isakmp.PayloadNATD, isakmp.EncapUDPTunnel, true},
		{"draft-ietf-ipsec-nat-t-ike-03", "draft-ietf-ipsec-nat-t-ike-03", isakmp.PayloadNATDDraft, isakmp.EncapUDPTunnelDraft, true},
		{"draft-ietf-ipsec-nat-t-ike-02", "draft-ietf-ipsec-nat-t-ike-02\n", isakmp.PayloadNATDDraft, isakmp.EncapUDPTunnelDraft, true},
		{"draft-ietf-ipsec-nat-t-ike-02", "draft-ietf-ipsec-nat-t-ike-02", isakmp.PayloadNATDDraft, isakmp.EncapUDPTunnelDraft, true},
		{"draft-ietf-ipsec-nat-t-ike-01", "draft-ietf-ipsec-nat-t-ike-01", isakmp.PayloadNATDDraft, isakmp.EncapUDPTunnelDraft, false},
		{"draft-ietf-ipsec-nat-t-ike-00", "draft-ietf-ipsec-nat-t-ike-00", isakmp.PayloadNATDDraft, isakmp.EncapUDPTunnelDraft, false},
	}
	for _, text := range texts {
		for _, nat := range []bool{true, false} {
			t.Run(fmt.Sprintf("%q/NAT %v", text.vid, nat), func(t *testing.T) {
				inBubble(t, func(t *testing.T, r *rig) {
					if nat {
						r.SetNAT(natAt(500)) // only the address changes
					}
					first := nth(1, true, phase1Type(r.a.Mode), rewrite(onlyNATText(text.vid)))
					numbers := map[isakmp.PayloadType]int{}
					r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
						countNATD(numbers, d.Octets)
						return first(d)
					})
					a, b := r.connect()
					for end, n := range map[string]ike.NAT{"A": a.Info().NAT, "B": b.Info().NAT} {
						if !n.Supported || n.Text != text.name || n.Encapsulate() != nat || n.NonIKEMarker != (nat && !text.floats) {
							t.Errorf("%s finds %+v", end, n)
						}
					}
					if len(numbers) != 1 || numbers[text.natd] == 0 {
						t.Errorf("NAT-D payloads %v", numbers)
					}
					if p := a.Path(); p.Marker != (nat && text.floats) || p.Remote.Port() == 4500 != p.Marker {
						t.Errorf("A sends to %+v", p)
					}
					v := ike.VoiceOf(a)
					ca, _ := r.quick(a)
					if ca.Encapsulated != nat {
						t.Errorf("the child is encapsulated: %v", ca.Encapsulated)
					}
					want := isakmp.Encapsulation(isakmp.EncapTunnel)
					if nat {
						want = text.mode
					}
					if got := offeredMode(t, v, of(r.Sent(), true, isakmp.ExchangeQuick)[0].Octets); got != want {
						t.Errorf("encapsulation mode %d, want %d", got, want)
					}
					request(t, b)
				})
			})
		}
	}
}

// onlyNATText leaves one of the vendor IDs of NAT traversal, by its text.
func onlyNATText(text string) func([]isakmp.Payload) []isakmp.Payload {
	known := map[string]string{}
	for _, s := range []string{"RFC 3947", "draft-ietf-ipsec-nat-t-ike-03", "draft-ietf-ipsec-nat-t-ike-02\n", "draft-ietf-ipsec-nat-t-ike-02", "draft-ietf-ipsec-nat-t-ike-01", "draft-ietf-ipsec-nat-t-ike-00"} {
		sum := md5.Sum([]byte(s))
		known[string(sum[:])] = s
	}
	return func(ps []isakmp.Payload) (kept []isakmp.Payload) {
		for _, p := range ps {
			if s, ok := known[string(p.Body)]; p.Type != isakmp.PayloadVendorID || !ok || s == text {
				kept = append(kept, p)
			}
		}
		return kept
	}
}

// countNATD counts NAT-D payloads of messages in clear by their numbers.
func countNATD(numbers map[isakmp.PayloadType]int, octets []byte) {
	h := header(octets)
	if h.Flags&isakmp.FlagEncryption != 0 {
		return
	}
	m, err := isakmp.ParseMessage(h, octets[isakmp.HeaderLen:])
	if err != nil {
		return
	}
	for _, t := range []isakmp.PayloadType{isakmp.PayloadNATD, isakmp.PayloadNATDDraft, 15} {
		if n := len(m.All(t)); n > 0 {
			numbers[t] += n
		}
	}
}

// offeredMode is the encapsulation mode in a Quick Mode message 1.
func offeredMode(t *testing.T, v *ike.Voice, octets []byte) isakmp.Encapsulation {
	t.Helper()
	iv := v.Base(header(octets).MessageID)
	m, err := v.Open(octets, &iv)
	if err != nil {
		t.Fatal(err)
	}
	sa, err := isakmp.ParseSA(m.Get(isakmp.PayloadSA))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range sa.Proposals[0].Transforms[0].Attributes {
		if a.Type == isakmp.ESPAttrEncapsulation {
			v, _ := a.Uint()
			return isakmp.Encapsulation(v)
		}
	}
	return 0
}

// The first NAT-D payload is of the other end's address and port, the second of
// one's own: HASH(CKY-I | CKY-R | IP | Port).
func TestNATDPayloads(t *testing.T) {
	inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
		r.a.Proposals[0].Hash, r.b.Proposals[0].Hash = isakmp.HashMD5, isakmp.HashMD5
		a, _ := r.connect()
		i := a.Info()
		hash := func(addr netip.Addr) string {
			b := append(append([]byte(nil), i.CookieI[:]...), i.CookieR[:]...)
			sum := md5.Sum(append(append(b, addr.AsSlice()...), 500>>8, 500&255))
			return fmt.Sprintf("%x", sum)
		}
		for n, fromA := range []bool{true, false} {
			octets := of(r.Sent(), fromA, isakmp.ExchangeMain)[1].Octets
			m, err := isakmp.ParseMessage(header(octets), octets[isakmp.HeaderLen:])
			if err != nil {
				t.Fatal(err)
			}
			want := [][2]string{{hash(iketest.AddrB), hash(iketest.AddrA)}, {hash(iketest.AddrA), hash(iketest.AddrB)}}[n]
			got := m.All(isakmp.PayloadNATD)
			if len(got) != 2 || fmt.Sprintf("%x", got[0]) != want[0] || fmt.Sprintf("%x", got[1]) != want[1] {
				t.Errorf("message %d: %x, want %v", n+3, got, want)
			}
		}
	})
}

// A peer with several addresses sends a hash of each: one that fits will do.
// Payload 15, which old gateways use, and payloads of the other text say nothing.
func TestFurtherNATDPayloads(t *testing.T) {
	junk := func(t isakmp.PayloadType) isakmp.Payload {
		return isakmp.Payload{Type: t, Body: make([]byte, 32)}
	}
	tests := []struct {
		name string
		add  func(before, natd, after []isakmp.Payload) []isakmp.Payload
	}{
		{"another address first", func(before, natd, after []isakmp.Payload) []isakmp.Payload {
			return append(append(before, natd[0], junk(isakmp.PayloadNATD), natd[1]), after...)
		}},
		{"other addresses last", func(before, natd, after []isakmp.Payload) []isakmp.Payload {
			return append(append(before, natd[0], natd[1], junk(isakmp.PayloadNATD), junk(isakmp.PayloadNATD)), after...)
		}},
		{"payload 15", func(before, natd, after []isakmp.Payload) []isakmp.Payload {
			return append(append(append(before, junk(15)), natd...), append(after, junk(15))...)
		}},
		{"payload 130", func(before, natd, after []isakmp.Payload) []isakmp.Payload {
			return append(append(append(before, junk(isakmp.PayloadNATDDraft)), natd...), after...)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, fromA := range []bool{true, false} {
				inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
					r.SetFault(nth(2, fromA, isakmp.ExchangeMain, rewrite(func(ps []isakmp.Payload) []isakmp.Payload {
						first := 0
						for ps[first].Type != isakmp.PayloadNATD {
							first++
						}
						return test.add(ps[:first:first], ps[first:first+2], ps[first+2:])
					})))
					a, b := r.connect()
					if na, nb := a.Info().NAT, b.Info().NAT; !na.Supported || !nb.Supported || na.Encapsulate() || nb.Encapsulate() {
						t.Errorf("A finds %+v, B %+v", na, nb)
					}
				})
			}
		})
	}
}

// A single NAT-D payload is no NAT discovery.
func TestOneNATDPayload(t *testing.T) {
	inBubbleOf(t, ike.Main, func(t *testing.T, r *rig) {
		r.SetNAT(natAt(31000))
		r.SetFault(nth(2, false, isakmp.ExchangeMain, rewrite(func(ps []isakmp.Payload) []isakmp.Payload { return ps[:len(ps)-1] })))
		r.serve()
		a, err := r.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n := a.Info().NAT; n.Supported || n.Encapsulate() {
			t.Errorf("%+v", n)
		}
	})
}

// IKE moves to port 4500 with the first message after NAT discovery, and the
// responder takes the initiator's new port.
func TestFloatAfterDiscovery(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		ports := uint16(31000)
		r.SetNAT(func(netip.AddrPort) netip.AddrPort {
			return netip.AddrPortFrom(netip.MustParseAddr("198.51.100.7"), ports)
		})
		last := 2
		if r.a.Mode == ike.Aggressive {
			last = 1
		}
		r.SetFault(func(d iketest.Datagram) []iketest.Delivery {
			if d.FromA && d.Number == last {
				ports = 32000 // another mapping for what goes to port 4500
			}
			if want := d.FromA && d.Number > last || !d.FromA && header(d.Octets).Flags&isakmp.FlagEncryption != 0; d.From.Marker != want {
				t.Errorf("datagram %d of %s has a marker: %v", d.Number, d.From.Remote, d.From.Marker)
			}
			return arrive(d)
		})
		a, b := r.connect()
		r.quick(a)
		if p := b.Path(); p.Remote != netip.MustParseAddrPort("198.51.100.7:32000") || !p.Marker || p.Local.Port() != 4500 {
			t.Errorf("B sends to %+v", p)
		}
	})
}

// The third message of Aggressive Mode comes in clear from behind a NAT, to port
// 4500: it is authenticated, so that B answers to where it came from.
func TestFloatWithAggressive3InClear(t *testing.T) {
	inBubbleOf(t, ike.Aggressive, func(t *testing.T, r *rig) {
		r.SetNAT(natAt(31000))
		r.serve()
		var third []byte
		r.SetFault(nth(2, true, isakmp.ExchangeAggressive, func(d iketest.Datagram) []iketest.Delivery {
			third = d.Octets
			return nil
		}))
		a, err := r.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		v := ike.VoiceOf(a)
		iv := v.Phase1IV()
		m, err := v.Open(third, &iv)
		if err != nil {
			t.Fatal(err)
		}
		ike.ForgetLastBlock(a)
		from := ike.Path{Local: netip.AddrPortFrom(iketest.AddrB, 4500), Remote: netip.MustParseAddrPort("198.51.100.7:32000"), Marker: true}
		r.B.Deliver(v.Clear(isakmp.ExchangeAggressive, 0, m.Payloads...), from)
		b := <-r.accepted
		if b.Path() != from {
			t.Errorf("B sends to %+v", b.Path())
		}
		request(t, b)
	})
}

// The NAT forgets A and gives it another address and port: B follows the next
// message that verifies, and nothing else.
func TestPeerMoves(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.SetNAT(natAt(31000))
		a, b := r.connect()
		before := b.Path().Remote
		r.SetNAT(natAt(32000))
		forged := append([]byte(nil), of(r.Sent(), true, phase1Type(r.a.Mode))[0].Octets...)
		ci, cr := a.Info().CookieI, a.Info().CookieR
		copy(forged, ci[:])
		copy(forged[8:], cr[:])
		forged[18], forged[19], forged[23] = byte(isakmp.ExchangeInformational), byte(isakmp.FlagEncryption), 9
		r.Inject(false, forged)
		time.Sleep(time.Second)
		if b.Path().Remote != before {
			t.Error("B follows what doesn't verify")
		}
		request(t, a)
		if got := b.Path().Remote.Port(); got != 32000 {
			t.Error("B sends to port ", got)
		}
		request(t, b)

		b.Follow(netip.MustParseAddrPort("198.51.100.9:33000"))
		if got := b.Path().Remote; got != netip.MustParseAddrPort("198.51.100.9:33000") {
			t.Error("B doesn't follow ESP: ", got)
		}
	})
}

// A port of the gateway's own: the marker is there from the first message, and
// nothing floats.
func TestGatewayPort(t *testing.T) {
	inBubble(t, func(t *testing.T, r *rig) {
		r.SetNAT(natAt(31000))
		r.ToB.Remote = netip.AddrPortFrom(iketest.AddrB, 10000)
		r.ToB.Marker = true
		a, b := r.connect()
		ca, _ := r.quick(a)
		request(t, b)
		if !ca.Encapsulated || a.Info().NAT.NonIKEMarker {
			t.Errorf("%+v", a.Info().NAT)
		}
		for _, d := range r.Sent() {
			if !d.From.Marker || d.FromA && d.From.Local.Port() != 10000 {
				t.Fatalf("%+v", d.From)
			}
		}
	})
}
