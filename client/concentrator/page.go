package concentrator

import (
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"postern/tun"
)

// services stand behind a gateway that has an IP stack of its own: a page that
// tells a client what the gateway knows of it, and an echo service (RFC 862).
type services struct {
	http    *http.Server
	tcp     net.Listener
	udp     net.PacketConn
	running sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool // of the echo service; nil: closed
}

// Ports of the services.
const (
	pagePort = 80
	echoPort = 7

	maxEchoes   = 256 // connections at once
	echoPatient = time.Minute
	mostUDP     = 64 << 10
)

// openNetstack makes the stack at the gateway's inside address.
func openNetstack(cfg *Config, mtu int) (tun.Device, *tun.Net, error) {
	if !cfg.Inside.IsValid() {
		return nil, nil, errors.New("concentrator: [ General ]: InsideAddress is missing, where the services shall stand")
	}
	if mtu == 0 {
		mtu = DefaultMTU
	}
	return tun.OpenNetstack([]netip.Addr{cfg.Inside.Addr()}, nil, mtu)
}

// startServices opens the services at an address.
func (g *Gateway) startServices(stack *tun.Net, at netip.Addr) (*services, error) {
	on := func(port int) string { return net.JoinHostPort(at.String(), strconv.Itoa(port)) }
	page, err := stack.Listen("tcp", on(pagePort))
	if err != nil {
		return nil, fmt.Errorf("concentrator: the page behind the gateway: %w", err)
	}
	s := &services{conns: make(map[net.Conn]bool)}
	s.http = &http.Server{
		Handler: g.page(), ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
	}
	if s.tcp, err = stack.Listen("tcp", on(echoPort)); err == nil {
		s.udp, err = stack.ListenPacket("udp", on(echoPort))
	}
	if err != nil {
		_ = page.Close()
		s.close()
		return nil, fmt.Errorf("concentrator: the echo service behind the gateway: %w", err)
	}
	s.running.Go(func() { _ = s.http.Serve(page) })
	s.running.Go(s.echoTCP)
	s.running.Go(s.echoUDP)
	return s, nil
}

// close ends the services and waits for that.
func (s *services) close() {
	_ = s.http.Close()
	if s.tcp != nil {
		_ = s.tcp.Close()
	}
	if s.udp != nil {
		_ = s.udp.Close()
	}
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
	s.mu.Unlock()
	s.running.Wait()
}

// echoTCP sends back what comes.
func (s *services) echoTCP() {
	for {
		c, err := s.tcp.Accept()
		if err != nil {
			return
		}
		if !s.keep(c) {
			_ = c.Close()
			continue
		}
		s.running.Go(func() {
			defer s.forget(c)
			_, _ = io.Copy(c, patient{c})
		})
	}
}

// patient is a connection whose reader doesn't wait for ever.
type patient struct{ net.Conn }

func (p patient) Read(b []byte) (int, error) {
	_ = p.SetDeadline(time.Now().Add(echoPatient))
	return p.Conn.Read(b)
}

func (s *services) keep(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil || len(s.conns) >= maxEchoes {
		return false
	}
	s.conns[c] = true
	return true
}

func (s *services) forget(c net.Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	_ = c.Close()
}

func (s *services) echoUDP() {
	b := make([]byte, mostUDP)
	for {
		n, from, err := s.udp.ReadFrom(b)
		if err != nil {
			return
		}
		_, _ = s.udp.WriteTo(b[:n], from)
	}
}

// pageText escapes all that it is given: names are of the client's choice.
var pageText = template.Must(template.New("page").Parse(`<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Behind the gateway</title>
<style>
body { font-family: sans-serif; max-width: 40em; margin: 2em auto; padding: 0 1em }
th { text-align: left; padding-right: 2em; font-weight: normal; color: #555 }
</style>
<h1>You are behind the gateway</h1>
{{if .Known}}<p>This page came to you through the tunnel. The gateway knows you as:</p>
<table>
<tr><th>user</th><td>{{or .User "(none)"}}</td></tr>
<tr><th>group</th><td>{{.Group}}</td></tr>
<tr><th>inner address</th><td>{{.Address}}</td></tr>
<tr><th>outer address</th><td>{{.Peer}}</td></tr>
<tr><th>phase 1</th><td>{{.Mode}}, {{.IKE}}</td></tr>
<tr><th>ESP</th><td>{{.ESP}}{{if .UDP}}, in UDP{{end}}</td></tr>
<tr><th>octets from you</th><td>{{.In}}</td></tr>
<tr><th>octets to you</th><td>{{.Out}}</td></tr>
</table>
{{else}}<p>The gateway has no client with your address.</p>
{{end}}`))

// page answers GET / and nothing else.
func (g *Gateway) page() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		var view struct {
			Session
			Known bool
		}
		if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
			view.Session, view.Known = g.sessionAt(from.Addr().Unmap())
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		h.Set("X-Content-Type-Options", "nosniff")
		_ = pageText.Execute(w, view)
	})
	return mux
}

// sessionAt is who has an inner address.
func (g *Gateway) sessionAt(a netip.Addr) (Session, bool) {
	for _, s := range g.Sessions() {
		if s.Address == a || a.Is6() && s.Address6 == a {
			return s, true
		}
	}
	return Session{}, false
}
