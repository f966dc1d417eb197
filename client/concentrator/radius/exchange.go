package radius

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	codec "layeh.com/radius"
	"layeh.com/radius/rfc2865"
)

// Chosen here.
const (
	longestWait   = 4 * time.Second // for an answer; the wait doubles from one sending to the next
	mostDatagrams = 1000            // looked at during one wait
)

// exchange sends a request to a server until an answer counts. What is repeated are
// the same octets, so that the server sees the same identifier and authenticator and
// judges a one-time code but once (RFC 2865, section 2.5). build builds the request for a local address, and judge says whether an answer
// of the right identifier counts; an answer that doesn't is passed over, for the
// right one may still come.
func (c *Client) exchange(ctx context.Context, address string,
	build func(from net.Addr) (wire []byte, err error), judge func(wire, answer []byte) (*codec.Packet, error),
) (*codec.Packet, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "udp", address)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	wire, err := build(conn.LocalAddr())
	if err != nil {
		return nil, err
	}
	defer clear(wire)

	began, wait := time.Now(), c.cfg.Timeout
	silence := &SilenceError{Server: address}
	for silence.Sent <= c.cfg.Retries {
		if _, err := conn.Write(wire); err != nil && !passing(err) {
			break
		}
		silence.Sent++
		p, err := listen(conn, time.Now().Add(wait), wire, judge)
		if p != nil {
			return p, nil
		}
		if err != nil {
			silence.Refused = err
		}
		// What such a server answers again is no better.
		if ctx.Err() != nil || errors.Is(err, ErrNoMessageAuthenticator) {
			break
		}
		wait = min(2*wait, max(longestWait, c.cfg.Timeout))
	}
	if err := context.Cause(ctx); err != nil {
		return nil, fmt.Errorf("RADIUS server %s: %w", address, err)
	}
	silence.Waited = time.Since(began)
	return nil, silence
}

// listen waits for an answer that counts; refused is why the last one didn't.
func listen(conn net.Conn, until time.Time, wire []byte, judge func(wire, answer []byte) (*codec.Packet, error)) (p *codec.Packet, refused error) {
	_ = conn.SetReadDeadline(until)
	var b [codec.MaxPacketLength]byte
	for range mostDatagrams {
		n, err := conn.Read(b[:])
		switch {
		case err == nil:
		case passing(err):
			// Anybody can send an ICMP message.
			refused = errors.New("no server is there")
			continue
		default:
			return nil, refused
		}
		// Octets behind the length are padding. RFC 2865, section 3
		answer, ok := cut(b[:n])
		if !ok || answer[1] != wire[1] {
			continue
		}
		if p, err = judge(wire, answer); p != nil {
			return p, nil
		}
		refused = err
	}
	return nil, refused
}

// passing says whether a socket works on after an error.
func passing(err error) bool {
	var e *net.OpError
	return errors.As(err, &e) && !e.Timeout() && !errors.Is(err, net.ErrClosed)
}

// cut is the packet without padding.
func cut(b []byte) ([]byte, bool) {
	if len(b) < attributesAt {
		return nil, false
	}
	n := int(b[2])<<8 | int(b[3])
	if n < attributesAt || n > len(b) {
		return nil, false
	}
	return b[:n], true
}

// judgeAccess says whether b answers the Access-Request wire.
func (s *server) judgeAccess(wire, b []byte, policy Policy) (*codec.Packet, error) {
	if !codec.IsAuthenticResponse(b, wire, s.secret) {
		return nil, ErrAuthenticator
	}
	p, err := codec.Parse(b, s.secret)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]codec.Code{codec.CodeAccessAccept, codec.CodeAccessReject, codec.CodeAccessChallenge}, p.Code) {
		return nil, fmt.Errorf("the answer to an Access-Request is %v", p.Code)
	}
	present, ok := CheckMessageAuthenticator(b, [16]byte(wire[authenticatorAt:attributesAt]), s.secret)
	switch {
	case present && !ok:
		return nil, ErrAuthenticator
	case present:
		s.signs.Store(true)
	case policy == On || policy == Auto && s.signs.Load():
		return nil, ErrNoMessageAuthenticator
	}
	// We never send a Proxy-State, and a forgery by collision has to hide in one.
	if _, found := p.Lookup(rfc2865.ProxyState_Type); found {
		return nil, errors.New("the answer has a Proxy-State that wasn't in the request")
	}
	return p, nil
}

// askServer asks one server.
func (c *Client) askServer(ctx context.Context, s *server, r *Request) (Answer, error) {
	p, err := c.exchange(ctx, s.auth.address,
		func(from net.Addr) ([]byte, error) { return c.packet(s, from, r) },
		func(wire, b []byte) (*codec.Packet, error) { return s.judgeAccess(wire, b, c.cfg.Require) })
	if err != nil {
		return nil, err
	}
	return answerOf(p, s), nil
}
