package proxy

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Forward is one port forward: connections to Listen are led to Target, through
// the tunnel.
type Forward struct {
	Listen string // "127.0.0.1:8080"
	Target string // "10.20.0.1:80", or with a name
}

// String is the form that ParseForward reads.
func (f Forward) String() string { return f.Listen + ":" + f.Target }

// ParseForward reads "PORT:HOST:PORT" or "ADDRESS:PORT:HOST:PORT", as ssh -L has
// it: IPv6 addresses in brackets, no address or an empty one means 127.0.0.1, *
// all.
func ParseForward(s string) (Forward, error) {
	parts, err := splitColons(s)
	if err != nil {
		return Forward{}, fmt.Errorf("forward %q: %w", s, err)
	}
	if len(parts) == 3 {
		parts = append([]string{""}, parts...)
	}
	if len(parts) != 4 {
		return Forward{}, fmt.Errorf("forward %q: want PORT:HOST:PORT or ADDRESS:PORT:HOST:PORT", s)
	}
	address, port, host, target := parts[0], parts[1], parts[2], parts[3]
	if host == "" {
		return Forward{}, fmt.Errorf("forward %q: no host to lead to", s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return Forward{}, fmt.Errorf("forward %q: %q is no port", s, port)
	}
	if n, err := strconv.ParseUint(target, 10, 16); err != nil || n == 0 {
		return Forward{}, fmt.Errorf("forward %q: %q is no port", s, target)
	}
	if address == "" {
		address = loopback
	}
	return Forward{Listen: net.JoinHostPort(address, port), Target: net.JoinHostPort(host, target)}, nil
}

// splitColons splits at colons outside of brackets, and takes the brackets off.
func splitColons(s string) ([]string, error) {
	var parts []string
	for {
		part, rest := s, ""
		more := false
		if inner, ok := strings.CutPrefix(s, "["); ok {
			if part, rest, ok = strings.Cut(inner, "]"); !ok {
				return nil, fmt.Errorf("no ] for the [")
			}
			if rest, more = strings.CutPrefix(rest, ":"); !more && rest != "" {
				return nil, fmt.Errorf("want a colon after ]")
			}
		} else {
			part, rest, more = strings.Cut(s, ":")
		}
		if strings.ContainsAny(part, "[]") {
			return nil, fmt.Errorf("a bracket in %q", part)
		}
		parts = append(parts, part)
		if !more {
			return parts, nil
		}
		s = rest
	}
}

// ListenForward opens a port forward.
func ListenForward(f Forward, c Config) (*Server, error) {
	s, err := listen(f.Listen, c)
	if err != nil {
		return nil, err
	}
	s.handle = func(ctx context.Context, conn net.Conn) {
		dialing, cancel := context.WithTimeout(ctx, dialTimeout)
		defer cancel()
		remote, err := c.dial(dialing, "tcp", f.Target)
		if err != nil {
			return // the client sees its connection closed
		}
		relay(ctx, conn, remote)
	}
	return s, nil
}
