package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// SOCKS5's numbers (RFC 1928, sections 3 to 6).
const (
	methodNone         = 0x00 // no authentication required
	methodUnacceptable = 0xff

	commandConnect   = 1
	commandAssociate = 3

	addressIPv4   = 1
	addressDomain = 3
	addressIPv6   = 4

	replySucceeded           = 0
	replyFailure             = 1
	replyHostUnreachable     = 4
	replyRefused             = 5
	replyTTLExpired          = 6
	replyCommandNotSupported = 7
	replyAddressNotSupported = 8
)

const (
	maxDomainLen = 255              // octets
	dialTimeout  = 60 * time.Second // to connect through the tunnel
)

var (
	errAddressType = errors.New("proxy: SOCKS address of unknown type")
	errVersion     = errors.New("proxy: not SOCKS5")
)

// serveSOCKS serves one SOCKS5 connection, until its end.
func serveSOCKS(ctx context.Context, s *Server, c *bufferedConn) {
	command, target, err := negotiate(c)
	if errors.Is(err, errAddressType) {
		reply(c, replyAddressNotSupported, netip.AddrPort{})
	}
	if err != nil {
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	switch command {
	case commandConnect:
		connect(ctx, s, c, target)
	case commandAssociate:
		associate(ctx, s, c)
	default:
		reply(c, replyCommandNotSupported, netip.AddrPort{})
	}
}

// negotiate reads the client's methods and its request (RFC 1928, sections 3, 4):
//
//	version 5, number of methods, methods        ->
//	                                             <-  version 5, method
//	version 5, command, reserved, address, port  ->
func negotiate(c io.ReadWriter) (command byte, target string, err error) {
	var b [256]byte
	if _, err := io.ReadFull(c, b[:2]); err != nil {
		return 0, "", err
	}
	if b[0] != socks5 {
		return 0, "", errVersion
	}
	methods := b[:b[1]]
	if _, err := io.ReadFull(c, methods); err != nil {
		return 0, "", err
	}
	if !strings.Contains(string(methods), string([]byte{methodNone})) {
		_, _ = c.Write([]byte{socks5, methodUnacceptable})
		return 0, "", errors.New("proxy: the client wants to authenticate")
	}
	if _, err := c.Write([]byte{socks5, methodNone}); err != nil {
		return 0, "", err
	}
	if _, err := io.ReadFull(c, b[:3]); err != nil {
		return 0, "", err
	}
	if b[0] != socks5 {
		return 0, "", errVersion
	}
	command = b[1]
	target, err = readAddress(c)
	return command, target, err
}

// readAddress reads "host:port" (RFC 1928, section 5): type, then 4 octets, 16
// octets, or a length and a name; port (2).
func readAddress(r io.Reader) (string, error) {
	var b [maxDomainLen]byte
	if _, err := io.ReadFull(r, b[:1]); err != nil {
		return "", err
	}
	size, domain := 0, false
	switch b[0] {
	case addressIPv4:
		size = 4
	case addressIPv6:
		size = 16
	case addressDomain:
		if _, err := io.ReadFull(r, b[:1]); err != nil {
			return "", err
		}
		size, domain = int(b[0]), true
	default:
		return "", errAddressType
	}
	if _, err := io.ReadFull(r, b[:size]); err != nil {
		return "", err
	}
	host := string(b[:size])
	if !domain {
		a, _ := netip.AddrFromSlice(b[:size])
		host = a.Unmap().String()
	}
	if _, err := io.ReadFull(r, b[:2]); err != nil {
		return "", err
	}
	return net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(b[:])))), nil
}

// appendAddress is the reverse for an address; an invalid one is 0.0.0.0:0.
func appendAddress(b []byte, a netip.AddrPort) []byte {
	addr := a.Addr().Unmap()
	if !addr.IsValid() {
		addr = netip.IPv4Unspecified()
	}
	if addr.Is4() {
		b = append(b, addressIPv4)
	} else {
		b = append(b, addressIPv6)
	}
	b = append(b, addr.AsSlice()...)
	return binary.BigEndian.AppendUint16(b, a.Port())
}

// reply answers a request: version 5, reply, reserved, bound address (RFC 1928,
// section 6).
func reply(c io.Writer, code byte, bound netip.AddrPort) {
	_, _ = c.Write(appendAddress([]byte{socks5, code, 0}, bound))
}

// connect serves CONNECT.
func connect(ctx context.Context, s *Server, c *bufferedConn, target string) {
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	remote, err := s.config.dial(dialing, "tcp", target)
	if err != nil {
		reply(c, replyFor(err), netip.AddrPort{})
		return
	}
	reply(c, replySucceeded, addrPort(remote.LocalAddr()))
	relay(ctx, c, remote)
}

// replyFor maps an error of dialing. An IP stack in this process has no errno, so
// its text has to do.
func replyFor(err error) byte {
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), strings.Contains(err.Error(), "refused"):
		return replyRefused
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return replyTTLExpired
	case errors.As(err, &dns), strings.Contains(err.Error(), "unreachable"), strings.Contains(err.Error(), "no route"):
		return replyHostUnreachable
	}
	return replyFailure
}

func addrPort(a net.Addr) netip.AddrPort {
	if a == nil {
		return netip.AddrPort{}
	}
	p, _ := netip.ParseAddrPort(a.String())
	return p
}
