// Package proxy leads programs into a tunnel that has no device: a SOCKS5 and
// HTTP proxy on one listener, and port forwards.
//
// It knows nothing of tunnels: all it needs is a function that dials.
package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Config is how a proxy reaches the other side. Its functions may be called from
// many goroutines.
type Config struct {
	// Dial connects through the tunnel. network is "tcp" or "udp", address a host
	// and a port; the host is an address wherever Resolve is given.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Resolve finds the addresses of a name inside the tunnel. nil: names are
	// given to Dial.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
}

// Listen opens a proxy that speaks SOCKS5 and HTTP: the first octet of a
// connection tells which. Without a host in the address ("1080", ":1080") it
// listens on 127.0.0.1 only: whoever reaches a proxy is inside the tunnel.
func Listen(address string, c Config) (*Server, error) {
	s, err := listen(address, c)
	if err != nil {
		return nil, err
	}
	web := newWebProxy(s)
	s.handle = func(ctx context.Context, conn net.Conn) { serveProxy(ctx, s, web, conn) }
	s.end = web.close
	return s, nil
}

// handshake is how long a client may take to say what it wants.
const handshake = 30 * time.Second

const (
	readBuffer = 4096
	socks4     = 4
	socks5     = 5
)

// serveProxy finds out which protocol a connection speaks, and serves it.
func serveProxy(ctx context.Context, s *Server, web *webProxy, conn net.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(handshake))
	c := &bufferedConn{conn, bufio.NewReaderSize(conn, readBuffer)}
	first, err := c.r.Peek(1)
	if err != nil {
		return
	}
	switch first[0] {
	case socks5:
		serveSOCKS(ctx, s, c)
	case socks4: // no addresses but IPv4, no reply that says so: let it fail at once
	default:
		_ = conn.SetReadDeadline(time.Time{})
		web.serve(c)
	}
}

// bufferedConn is a connection of which some octets were read already.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(b []byte) (int, error) { return c.r.Read(b) }

// CloseWrite ends the stream in one direction.
func (c *bufferedConn) CloseWrite() error { return closeWrite(c.Conn) }

// dial connects to "host:port" through the tunnel. The addresses of a name are
// tried in turn.
func (c *Config) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	if _, err := netip.ParseAddr(host); err == nil || c.Resolve == nil {
		return c.Dial(ctx, network, address)
	}
	addrs, err := c.Resolve(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("proxy: looking up %q: %w", host, err)
	}
	err = errors.New("no address")
	for _, a := range addrs {
		var conn net.Conn
		if conn, err = c.Dial(ctx, network, net.JoinHostPort(a.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, fmt.Errorf("proxy: connecting to %q: %w", host, err)
}
