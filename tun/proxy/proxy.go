// Package proxy leads programs into a tunnel that has no device: a SOCKS5 and
// HTTP proxy on one listener, and port forwards.
package proxy

import (
	"context"
	"net"
	"net/netip"
)

// Config is how a proxy reaches the other side.
type Config struct {
	// Dial connects through the tunnel. network is "tcp" or "udp", address a
	// numeric host and port.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Resolve finds the addresses of a name inside the tunnel; nil: names are given to Dial.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
}

// Server is a listener with its connections.
type Server struct{}

// Listen opens a SOCKS5 and HTTP proxy. "1080" and ":1080" mean 127.0.0.1:1080.
func Listen(address string, c Config) (*Server, error) { return nil, nil }

// Forward is one port forward.
type Forward struct {
	Listen string // "127.0.0.1:8080"
	Target string // "10.20.0.1:80"
}

// ParseForward reads "8080:10.20.0.1:80" or "127.0.0.1:8080:host:80".
func ParseForward(s string) (Forward, error) { return Forward{}, nil }

// ListenForward opens a port forward.
func ListenForward(f Forward, c Config) (*Server, error) { return nil, nil }

// Addr is what the server listens on.
func (s *Server) Addr() net.Addr { return nil }

// Serve accepts until Close.
func (s *Server) Serve() error { return nil }

// Close ends the listener and all connections, and waits for them.
func (s *Server) Close() error { return nil }
