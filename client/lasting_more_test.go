package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postern/client"
	"postern/client/prompt"
	"postern/ike/isakmp"
	"postern/xauth"
)

// A gateway that wants a one-time code at every renewal: the person is asked while
// traffic flows, long before it must be there, and again where nobody answered. The
// password that was typed may be asked for again after that, which some gateways call
// a refusal.
func TestCodeIsAskedAheadOfTime(t *testing.T) {
	passwords, codes := 0, 0
	var states []client.State
	var w *world
	ask := func(ctx context.Context, p prompt.Prompt) (prompt.Answers, error) {
		out := prompt.Answers{}
		for _, f := range p.Fields {
			switch {
			case strings.Contains(p.Message, "code"):
				codes++
				states = append(states, w.conn.Status().State)
				if codes == 2 { // nobody is there
					<-ctx.Done()
					return nil, context.Cause(ctx)
				}
				time.Sleep(time.Minute) // a person looks for the token
				out[f.Name] = prompt.Answer("123456")
			case f.Kind == prompt.Secret:
				passwords++
				out[f.Name] = prompt.Answer(password)
			}
		}
		return out, nil
	}
	inNetwork(t, func(world *world) {
		w = world
		w.gateway.stop()
		w.gateway.verify = func(_ context.Context, _ string, given []byte) error {
			if string(given) != password {
				return errors.New("wrong")
			}
			return &xauth.Challenge{Message: "Your code, please", Attribute: isakmp.AttrXAuthPasscode, Verify: func(_ context.Context, code []byte) error {
				if !bytes.Equal(code, []byte("123456")) {
					return errors.New("wrong code")
				}
				return nil
			}}
		}
		w.gateway.start()
		w.connect("lifetime = {ike = \"1h\"}", ask)
		w.conn.awaitUp()
		f := w.flow(100 * time.Millisecond)
		time.Sleep(59 * time.Minute)
		if n := w.seen("phase 1 renewed"); n != 1 {
			t.Errorf("%d renewals in the first hour", n)
		}
		time.Sleep(2 * time.Hour)
		f.end()
		f.perfect(t)
		if passwords > 2 || codes < 4 {
			t.Errorf("%d passwords and %d codes asked for", passwords, codes)
		}
		for _, s := range states {
			if s != client.WaitingForInput {
				t.Errorf("state %s while a person is asked", s)
			}
		}
	})
}

// A password that is refused at a renewal isn't sent over and over, and the person is
// asked for another.
func TestPasswordChanges(t *testing.T) {
	valid, tries, asked := password, 0, 0
	ask := func(_ context.Context, p prompt.Prompt) (prompt.Answers, error) {
		asked++
		return answerAll(p, "new one"), nil
	}
	inNetwork(t, func(w *world) {
		w.gateway.stop()
		w.gateway.verify = func(_ context.Context, _ string, given []byte) error {
			tries++
			if string(given) != valid {
				return errors.New("wrong")
			}
			return nil
		}
		w.gateway.start()
		w.connect(lives(time.Hour, time.Hour), ask)
		w.conn.awaitUp()
		valid = "new one"
		f := w.flow(100 * time.Millisecond)
		time.Sleep(3 * time.Hour)
		f.end()
		f.perfect(t)
		if asked != 1 || tries > 6 {
			t.Errorf("asked %d times, %d passwords sent", asked, tries)
		}
	})
}

// Hints and first messages that anybody may send cost a probe, and nothing else.
func TestForgedHints(t *testing.T) {
	inWorld(t, lives(8*time.Hour, time.Hour), "", nil, func(w *world) {
		f := w.flow(100 * time.Millisecond)
		path := w.gateway.g.Sessions()[0].Peer
		notify := isakmp.Notify{DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoESP, Type: isakmp.NotifyInvalidSPI, SPI: []byte{1, 2, 3, 4}}
		message := func(exchange isakmp.ExchangeType, p isakmp.Payload) []byte {
			h := isakmp.Header{InitiatorCookie: isakmp.Cookie{1}, Version: isakmp.Version, Exchange: exchange, NextPayload: p.Type}
			if exchange == isakmp.ExchangeInformational {
				h.MessageID = 7
			}
			body := isakmp.AppendPayloads(nil, []isakmp.Payload{p})
			h.Length = uint32(isakmp.HeaderLen + len(body))
			return append(append(make([]byte, 4), h.Append(nil)...), body...)
		}
		for range 600 {
			w.net.Inject(netip.AddrPortFrom(gatewayAddr, 4500), path, message(isakmp.ExchangeInformational, isakmp.Payload{Type: isakmp.PayloadNotify, Body: notify.Marshal()}))
			w.net.Inject(netip.AddrPortFrom(gatewayAddr, 4500), path, message(isakmp.ExchangeMain, isakmp.Payload{Type: isakmp.PayloadSA, Body: make([]byte, 40)}))
			w.net.Inject(netip.AddrPortFrom(otherAddr, 4500), path, message(isakmp.ExchangeMain, isakmp.Payload{Type: isakmp.PayloadSA, Body: make([]byte, 40)}))
			time.Sleep(time.Second)
		}
		f.end()
		f.perfect(t)
		if n := w.seen("phase 1"); n != 1 {
			t.Errorf("%d phase 1s", n)
		}
	})
}

// Where a gateway assigns another address, the device gets it and stays.
func TestAnotherAddress(t *testing.T) {
	inWorld(t, lives(8*time.Hour, time.Hour), "", nil, func(w *world) {
		f := w.flow(100 * time.Millisecond)
		time.Sleep(time.Minute)
		w.gateway.kill()
		w.gateway.config = strings.ReplaceAll(w.gateway.config, "10.20.0.10", "10.20.0.50")
		w.gateway.start()
		time.Sleep(time.Minute)
		f.end()
		want := netip.MustParseAddr("10.20.0.50")
		st := w.conn.Status()
		if st.State != client.Up || st.Tunnel.Address != want || w.laptop.now().Addresses[0].Addr() != want {
			t.Errorf("%s with %v, the device has %v", st.State, st.Tunnel.Address, w.laptop.now().Addresses)
		}
		if w.laptop.devices != 1 || w.laptop.restored != 0 {
			t.Errorf("%d devices, put back %d times", w.laptop.devices, w.laptop.restored)
		}
		f = w.flow(100 * time.Millisecond)
		time.Sleep(time.Minute)
		f.end()
		f.perfect(t)
	})
}

// Every address of a name is tried.
func TestEveryAddressIsTried(t *testing.T) {
	inNetwork(t, func(w *world) {
		w.laptop.names["vpn.example"] = []netip.Addr{netip.MustParseAddr("203.0.113.77"), netip.MustParseAddr("203.0.113.78"), backupAddr}
		w.connectTo("vpn.example", lives(time.Hour, time.Hour), nil)
		w.conn.awaitUp()
		if at := w.conn.Status().Gateway; at.Address.Addr() != backupAddr || at.Name != "vpn.example" {
			t.Errorf("at %+v", at)
		}
	})
}

// The kill switch is there before the first message, knows the tunnel, and goes when
// the user disconnects.
func TestKillSwitch(t *testing.T) {
	inWorld(t, lives(time.Hour, time.Hour)+"kill_switch = true", "", nil, func(w *world) {
		first, last := w.laptop.guards[0], w.laptop.guards[len(w.laptop.guards)-1]
		if got := fmt.Sprint(first.Protect, first.Gateways); got != "[0.0.0.0/0] [203.0.113.1:500]" || first.Interface != "" {
			t.Errorf("first %s %q", got, first.Interface)
		}
		if got := fmt.Sprint(last.Protect); got != "[10.20.0.0/24]" {
			t.Errorf("the gateway pushed one network, and protected are %s", got)
		}
		if last.Interface != "test" || w.laptop.released != 0 {
			t.Errorf("last %+v, released %d times", last, w.laptop.released)
		}
		w.gateway.kill()
		time.Sleep(10 * time.Minute)
		if w.laptop.released != 0 || w.laptop.restored != 0 {
			t.Errorf("released %d times, put back %d times without a gateway", w.laptop.released, w.laptop.restored)
		}
		w.gateway.start()
		w.conn.awaitUp()
		w.conn.stop()
		if err := <-w.conn.ended; err != nil || w.laptop.released != 1 {
			t.Errorf("%v, released %d times", err, w.laptop.released)
		}
		w.conn.ended <- nil
	})
}

// A gateway that is reached by IPv6.
func TestIPv6Outside(t *testing.T) {
	inNetwork(t, func(w *world) {
		laptop, gateway := netip.MustParseAddr("2001:db8::10"), netip.MustParseAddr("2001:db8:1::1")
		w.laptop.host.Move(laptop)
		w.gateway.stop()
		w.gateway.host.Move(gateway)
		w.gateway.start()
		w.laptop.names["vpn.example"] = []netip.Addr{gateway}
		w.connectTo("vpn.example", lives(10*time.Minute, 2*time.Minute), nil)
		w.conn.awaitUp()
		f := w.flow(100 * time.Millisecond)
		time.Sleep(time.Hour)
		f.end()
		f.perfect(t)
		if st := w.conn.Status(); st.Gateway.Address.Addr() != gateway || w.seen("phase 1 renewed") < 7 {
			t.Errorf("at %v, %d renewals", st.Gateway.Address, w.seen("phase 1 renewed"))
		}
	})
}

// A phase 1 that ends before the next one can be made takes its children with it at some
// gateways, strongSwan among them, which say nothing of that. Those are made anew with
// the next phase 1, whether anything was sent meanwhile or not.
func TestChildrenOfAnEndedPhase1(t *testing.T) {
	// The renewal begins before the 29th second, and waits for an answer for 31.
	inWorld(t, lives(40*time.Second, 8*time.Hour), "", nil, func(w *world) {
		var late atomic.Bool
		w.net.SetFault(func(from, _ netip.AddrPort, data []byte) []time.Duration {
			if len(data) > 4 && [4]byte(data) == [4]byte{} {
				data = data[4:]
			}
			begins := len(data) > 28 && data[17] == 0x10 && data[18] == byte(isakmp.ExchangeMain)
			if begins && !late.Load() || from.Addr() == gatewayAddr && isClearInformational(data) {
				return nil
			}
			return []time.Duration{0}
		})
		time.Sleep(41 * time.Second)
		// What a gateway does that forgets children with their phase 1.
		w.gateway.kill()
		w.gateway.start()
		late.Store(true)
		time.Sleep(10 * time.Second)
		if n := w.seen("phase 1 renewed"); n != 1 {
			t.Errorf("%d new phase 1s", n)
		}
		f := w.flow(100 * time.Millisecond)
		time.Sleep(10 * time.Second)
		if gap := f.gap(); gap > time.Second {
			t.Errorf("%v without a packet", gap)
		}
		f.end()
	})
}
