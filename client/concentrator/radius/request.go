package radius

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net"
	"net/netip"

	codec "layeh.com/radius"
	"layeh.com/radius/rfc2865"
)

// Request asks whether somebody may come in. With CHAP set, Password doesn't count;
// without it an empty Password is sent as such, which servers answer with their
// first question.
type Request struct {
	User     string
	Password []byte // PAP; kept by nobody after Authenticate has returned
	CHAP     *CHAP
	State    State      // of the Challenge that this answers
	Peer     netip.Addr // where the user comes from; may be invalid

	// Once names the request. When the same request with the same name comes again
	// within 10 s it gets the same answer, and nothing is sent. Empty: it is sent
	// each time.
	Once string
}

// CHAP is a response to a challenge, instead of a password (RFC 1994; RFC 2865,
// section 5.3).
type CHAP struct {
	Identifier byte
	Challenge  []byte // 1 to 253 octets
	Response   [md5.Size]byte
}

// NewCHAP makes a challenge and the response of somebody who has the password:
// MD5(identifier | password | challenge). RFC 1994, section 4.1
func NewCHAP(password []byte) *CHAP {
	c := &CHAP{Challenge: make([]byte, 17)}
	_, _ = rand.Read(c.Challenge)
	c.Identifier, c.Challenge = c.Challenge[0], c.Challenge[1:]
	h := md5.New()
	h.Write([]byte{c.Identifier})
	h.Write(password)
	h.Write(c.Challenge)
	h.Sum(c.Response[:0])
	return c
}

// State is what a server wants to see again with the answer to its question; only
// that server knows what it means. The zero State is that of a first request.
type State struct {
	octets string
	server *server
}

// packet is the Access-Request for a server that is reached from a local address.
func (c *Client) packet(s *server, from net.Addr, r *Request) ([]byte, error) {
	p := codec.New(codec.CodeAccessRequest, s.secret)
	if err := rfc2865.UserName_SetString(p, r.User); err != nil {
		return nil, err
	}
	switch {
	case r.CHAP != nil:
		p.Add(rfc2865.CHAPPassword_Type, append([]byte{r.CHAP.Identifier}, r.CHAP.Response[:]...))
		p.Add(rfc2865.CHAPChallenge_Type, r.CHAP.Challenge)
	default:
		if len(r.Password) > 128 {
			return nil, ErrPassword
		}
		if err := rfc2865.UserPassword_Set(p, r.Password); err != nil {
			return nil, err
		}
	}
	if r.State.octets != "" {
		p.Add(rfc2865.State_Type, []byte(r.State.octets))
	}
	c.describe(p, from, r.Peer)
	return Sign(p)
}

// describe says who asks, and for whom.
func (c *Client) describe(p *codec.Packet, from net.Addr, peer netip.Addr) {
	if u, ok := from.(*net.UDPAddr); ok && u.IP.To4() != nil {
		_ = rfc2865.NASIPAddress_Set(p, u.IP)
	}
	_ = rfc2865.NASIdentifier_SetString(p, c.cfg.Name)
	_ = rfc2865.NASPortType_Set(p, rfc2865.NASPortType_Value_Virtual)
	if peer.IsValid() {
		_ = rfc2865.CallingStationID_SetString(p, peer.String())
		AddVendor(p, ClientRealIP, []byte(peer.String()))
	}
}

// key tells requests apart without keeping what is secret in them.
func (r *Request) key(with []byte) (k [32]byte) {
	h := hmac.New(sha256.New, with)
	add := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
		h.Write(b)
	}
	add([]byte(r.Once))
	add([]byte(r.User))
	add(r.Password)
	add([]byte(r.State.octets))
	add([]byte(r.Peer.String()))
	if r.CHAP != nil {
		add([]byte{r.CHAP.Identifier})
		add(r.CHAP.Challenge)
		add(r.CHAP.Response[:])
	}
	h.Sum(k[:0])
	return k
}
