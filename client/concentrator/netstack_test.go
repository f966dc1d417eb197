package concentrator

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
	"postern/tun"
	"postern/tun/esp"
	"postern/xauth"
)

// connection is a client with an IP stack of its own, on a real socket.
type connection struct {
	sa  *ike.SA
	net *tun.Net
}

// dialLoopback makes a whole connection to a gateway over loopback.
func dialLoopback(t *testing.T, log *slog.Logger, g *Gateway, user, password string) *connection {
	t.Helper()
	carrier, err := tun.ListenUDP(netip.MustParseAddrPort("127.0.0.1:0"), tun.ByRemotePort)
	if err != nil {
		t.Fatal(err)
	}
	router := ike.NewRouter(func(msg []byte, to ike.Path) error { return carrier.SendIKE(msg, tun.Path(to)) })
	var running sync.WaitGroup
	running.Go(func() {
		_ = carrier.Serve(func(msg []byte, from tun.Path) { router.Deliver(msg, ike.Path(from)) })
	})
	t.Cleanup(func() { carrier.Close(); running.Wait(); router.Close() })

	login := xauth.NewClient(xauth.ClientConfig{User: user, Password: []byte(password)})
	sa, err := ike.Dial(t.Context(), router, ike.Path{Local: carrier.LocalAddr(), Remote: g.Addr(), Marker: true}, ike.Config{
		Mode: ike.Main, Methods: []isakmp.AuthMethod{isakmp.AuthXAuthInitPSK}, Proposals: g.cfg.Protection,
		Identity: isakmp.ID{Type: isakmp.IDKeyID, Data: []byte("staff")}, Secret: []byte("staff's key"), Lifetime: time.Hour,
		Transaction: login.Handle, Log: log.With("end", user),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sa.Close() })
	if err := login.Wait(t.Context(), sa); err != nil {
		t.Fatal(err)
	}
	told, err := login.Pull(t.Context(), sa, xauth.Request{})
	if err != nil {
		t.Fatal(err)
	}
	dev, stack, err := tun.OpenNetstack([]netip.Addr{told.Address.Addr()}, nil, DefaultMTU)
	if err != nil {
		t.Fatal(err)
	}
	tunnel := tun.New(dev)
	carrier.Attach(tunnel)
	running.Go(func() { _ = tunnel.Serve() })
	t.Cleanup(func() { tunnel.Close() })
	_, err = sa.Quick(t.Context(), ike.ChildConfig{
		Proposals: []ike.ESPProposal{aes128}, Local: ike.Selector{Prefix: told.Address}, Remote: ike.Selector{Prefix: anyIPv4},
		Install: func(k *ike.Child) error {
			if !k.Encapsulated {
				t.Error("ESP isn't in UDP")
			}
			return tunnel.Add(clientPair(t, k, func(p [][]byte) error { return carrier.SendESP(p, tun.Path(sa.Path())) }))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &connection{sa, stack}
}

func clientPair(t *testing.T, k *ike.Child, send func([][]byte) error) *tun.Pair {
	s, err := suite(k.Proposal)
	if err != nil {
		t.Fatal(err)
	}
	in, err := esp.NewInbound(s, k.InboundSPI, k.Inbound.Encryption, k.Inbound.Integrity)
	if err != nil {
		t.Fatal(err)
	}
	out, err := esp.NewOutbound(s, k.OutboundSPI, k.Outbound.Encryption, k.Outbound.Integrity)
	if err != nil {
		t.Fatal(err)
	}
	return &tun.Pair{
		In: in, Out: out, Send: send,
		Local: []tun.Selector{tun.Selector(k.Local)}, Remote: []tun.Selector{tun.Selector(k.Remote)},
	}
}

// loopback starts a gateway on one UDP port of loopback, with netstack.
func loopback(t *testing.T) (*Gateway, *slog.Logger) {
	t.Helper()
	cfg, err := ParseConfig([]byte(testConf), "test.conf")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	g, err := New(cfg, Options{Log: log.With("end", "gateway"), Port: netip.MustParseAddrPort("127.0.0.1:0"), Netstack: true})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.Serve(context.Background()) }()
	t.Cleanup(func() {
		g.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return g, log
}

func TestPageBehindTheGateway(t *testing.T) {
	g, log := loopback(t)
	for user, password := range map[string]string{"alice": "wonderland", "bob": "tiger"} {
		c := dialLoopback(t, log, g, user, password)
		client := http.Client{Transport: &http.Transport{DialContext: c.net.DialContext}, Timeout: time.Minute}
		answer, err := client.Get("http://10.20.0.1/")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatal(answer.Status, err)
		}
		for _, want := range []string{">" + user + "<", ">staff<", "10.20.0.1", "main mode, aes128-sha1-curve25519", "aes128-sha1, in UDP"} {
			if !strings.Contains(string(body), want) {
				t.Errorf("%s's page lacks %q:\n%s", user, want, body)
			}
		}
		client.CloseIdleConnections()
	}
	if n := len(g.Sessions()); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
}

func TestEchoBehindTheGateway(t *testing.T) {
	g, log := loopback(t)
	c := dialLoopback(t, log, g, "alice", "wonderland")
	for _, network := range []string{"tcp", "udp"} {
		conn, err := c.net.DialContext(t.Context(), network, "10.20.0.1:7")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		sent := strings.Repeat("echo ", 200)
		if _, err := io.WriteString(conn, sent); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != sent {
			t.Errorf("%s: %q came back, %v", network, got, err)
		}
	}
}

// TestPageEscapes: a user's name can't say more than a name.
func TestPageEscapes(t *testing.T) {
	var b strings.Builder
	view := struct {
		Session
		Known bool
	}{Session{User: "<script>x</script>", Peer: netip.MustParseAddrPort("192.0.2.1:1")}, true}
	if err := pageText.Execute(&b, view); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "<script>") {
		t.Error(b.String())
	}
}

// TestCloseWithoutServe: what New opened is closed.
func TestCloseWithoutServe(t *testing.T) {
	cfg, err := ParseConfig([]byte(testConf), "test.conf")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		g, err := New(cfg, Options{Port: netip.MustParseAddrPort("127.0.0.1:0"), Netstack: true})
		if err != nil {
			t.Fatal(err)
		}
		g.Close()
		if c, err := net.ListenPacket("udp", g.Addr().String()); err != nil {
			t.Error(err)
		} else {
			c.Close()
		}
	}
}
