package stamp

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"postern/ike/isakmp"
)

// radius is a RADIUS payload.
type radius struct {
	kind       uint8
	method     Method // of a request and its response
	identifier uint8
	challenge  []byte // of a request
	user       string // of a response
	password   []byte // of a response: hidden, or a CHAP response; nil: the name alone
	message    string // of a request or a result; may be empty
	outcome    uint8  // of a result
	mac        []byte // nil: none
	covered    []byte // by the MAC
}

// conversation is what binds a RADIUS step to its connection.
type conversation struct {
	ckyI, ckyR isakmp.Cookie
	first      []byte // the client's first message
}

// macKey is Km = HMAC-SHA1(PAPAuthSecret, "mac"). Chosen here.
func macKey(secret []byte) []byte { return hmacSHA1(secret, []byte(labelMAC)) }

// mac is HMAC-SHA1(Km, CKY-I | CKY-R | message ID | body up to here). Chosen here.
func (c *conversation) mac(km []byte, msgID uint32, covered []byte) []byte {
	return hmacSHA1(km, c.ckyI[:], c.ckyR[:], binary.BigEndian.AppendUint32(nil, msgID), covered)
}

// challengeOf is the challenge that counts for CHAP: c = MD5(attribute 3 | CKY-I |
// CKY-R | SHA-1 of the client's first message). Chosen here: so bound, a challenge
// that is sent to two users isn't the same for both.
func (c *conversation) challengeOf(challenge []byte) []byte {
	first := sha1.Sum(c.first)
	return md5Of(challenge, c.ckyI[:], c.ckyR[:], first[:])
}

// CHAPResponse is MD5(identifier | password | challenge) (RFC 1994, section 4.1).
func CHAPResponse(identifier uint8, password, challenge []byte) []byte {
	return md5Of([]byte{identifier}, password, challenge)
}

// authenticator stands where RADIUS has its Request Authenticator: the first 16
// octets of HMAC-SHA1(PAPAuthSecret, "hide" | CKY-I | CKY-R | attribute 3). Chosen
// here: the client's own cookie makes it fresh.
func (c *conversation) authenticator(secret, challenge []byte) []byte {
	return hmacSHA1(secret, []byte(labelHide), c.ckyI[:], c.ckyR[:], challenge)[:16]
}

// hide is how RADIUS hides User-Password (RFC 2865, section 5.2):
//
//	b1 = MD5(S + RA)    c(1) = p1 xor b1
//	b2 = MD5(S + c(1))  c(2) = p2 xor b2  …
func hide(secret, authenticator, password []byte) []byte {
	out := make([]byte, max(16, (len(password)+15)/16*16))
	copy(out, password)
	last := authenticator
	for b := range len(out) / 16 {
		block := out[16*b : 16*b+16]
		subtle.XORBytes(block, block, md5Of(secret, last))
		last = block
	}
	return out
}

// reveal is the inverse. Zeros at the end are padding.
func reveal(secret, authenticator, hidden []byte) []byte {
	out := make([]byte, len(hidden))
	last := authenticator
	for b := range len(hidden) / 16 {
		block := hidden[16*b : 16*b+16]
		subtle.XORBytes(out[16*b:], block, md5Of(secret, last))
		last = block
	}
	return bytes.TrimRight(out, "\x00")
}

func md5Of(parts ...[]byte) []byte {
	h := md5.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func hmacSHA1(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha1.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// marshal is the payload's body. km nil: without a MAC.
func (r *radius) marshal(c *conversation, msgID uint32, km []byte) []byte {
	as := []isakmp.Attribute{}
	if r.method != 0 {
		as = append(as, isakmp.TV(radiusMethod, uint16(r.method)))
	}
	as = append(as, isakmp.TV(radiusIdentifier, uint16(r.identifier)))
	for _, a := range []struct {
		typ   uint16
		value []byte
	}{{radiusChallenge, r.challenge}, {radiusUser, []byte(r.user)}, {radiusPassword, r.password}, {radiusMessage, []byte(r.message)}} {
		if len(a.value) > 0 {
			as = append(as, isakmp.TLV(a.typ, a.value))
		}
	}
	if r.outcome != 0 {
		as = append(as, isakmp.TV(radiusOutcome, uint16(r.outcome)))
	}
	b := isakmp.AppendAttributes(appendHeader(r.kind), as)
	if km == nil {
		return b
	}
	return isakmp.AppendAttributes(b, []isakmp.Attribute{isakmp.TLV(radiusMAC, c.mac(km, msgID, b))})
}

// parseRADIUS reads a payload's body. It proves nothing yet.
func parseRADIUS(b []byte) (*radius, error) {
	m := new(radius)
	kind, rest, err := kindOf(b)
	if err != nil {
		return nil, fmt.Errorf("RADIUS payload: %w", err)
	}
	m.kind = kind
	r := new(reader)
	as, err := r.read(rest, map[uint16]field{
		radiusMethod:     number(&m.method, uint16(PAP), uint16(Challenge)),
		radiusIdentifier: number(&m.identifier, 0, 255),
		radiusChallenge:  octets(&m.challenge, challengeLen, challengeLen),
		radiusUser:       text(&m.user, maxText),
		radiusPassword:   octets(&m.password, 1, maxPassword),
		radiusMessage:    text(&m.message, maxText),
		radiusOutcome:    number(&m.outcome, outcomeAccepted, outcomeRejected),
		radiusMAC:        octets(&m.mac, macLen, macLen),
	})
	if err == nil {
		switch kind {
		case kindRequest:
			err = r.need(radiusMethod, radiusIdentifier, radiusChallenge)
		case kindResponse:
			err = r.need(radiusMethod, radiusIdentifier, radiusUser)
		case kindResult:
			err = r.need(radiusIdentifier, radiusOutcome)
		default:
			err = fmt.Errorf("kind %d", kind)
		}
	}
	if err == nil && m.mac != nil {
		if m.covered = b[:max(0, len(b)-4-macLen)]; !isLast(as, radiusMAC, b) {
			err = errors.New("something stands behind the MAC")
		}
	}
	if err == nil && m.kind == kindResponse {
		err = m.checkResponse()
	}
	if err != nil {
		return nil, fmt.Errorf("RADIUS payload: %w", err)
	}
	return m, nil
}

// checkResponse holds a response to the form of its method.
func (r *radius) checkResponse() error {
	switch {
	case r.user == "":
		return errors.New("no user name")
	case r.method == CHAP && len(r.password) != md5.Size:
		return fmt.Errorf("a CHAP response of %d octets", len(r.password))
	case r.method != CHAP && len(r.password)%16 != 0:
		return fmt.Errorf("a hidden password of %d octets", len(r.password))
	case r.method == PAP && r.password == nil:
		return errors.New("no password")
	}
	return nil
}

var errMAC = errors.New("the MAC doesn't verify")

// verify checks the MAC.
func (r *radius) verify(c *conversation, msgID uint32, km []byte) error {
	if r.mac == nil || subtle.ConstantTimeCompare(r.mac, c.mac(km, msgID, r.covered)) != 1 {
		return errMAC
	}
	return nil
}
