package radius

import (
	"crypto/hmac"
	"crypto/md5"
	"slices"

	codec "layeh.com/radius"
	"layeh.com/radius/rfc2869"
)

// Where things stand in a packet: code, identifier, length, authenticator, then
// attributes. RFC 2865, section 3
const (
	authenticatorAt = 4
	attributesAt    = 20
)

const typeMessageAuthenticator = byte(rfc2869.MessageAuthenticator_Type)

// Sign encodes a packet with a Message-Authenticator as its first attribute, where
// it leaves no room for a prefix of an attacker's choice. A response's Authenticator
// is the request's, as codec's Response leaves it.
//
// "Message-Authenticator = HMAC-MD5 (Type, Identifier, Length, Request Authenticator,
// Attributes)", computed with 16 zero octets in its own place. RFC 3579, section 3.2
func Sign(p *codec.Packet) ([]byte, error) {
	mine := &codec.AVP{Type: rfc2869.MessageAuthenticator_Type, Attribute: make(codec.Attribute, md5.Size)}
	p.Attributes = slices.Insert(p.Attributes, 0, mine)
	b, err := p.MarshalBinary()
	if err != nil {
		return nil, err
	}
	copy(mine.Attribute, sum(b, p.Secret))
	return p.Encode()
}

// CheckMessageAuthenticator looks for the Message-Authenticator of a packet as it
// was received; request is the Authenticator of the request that it belongs to, or
// its own. A packet with two is as wrong as one whose value doesn't verify.
func CheckMessageAuthenticator(packet []byte, request [16]byte, secret []byte) (present, ok bool) {
	at := 0
	for i := attributesAt; i+2 <= len(packet); i += int(packet[i+1]) {
		n := int(packet[i+1])
		if n < 2 || i+n > len(packet) {
			return at > 0, false
		}
		if packet[i] != typeMessageAuthenticator {
			continue
		}
		if at > 0 || n != 2+md5.Size {
			return true, false
		}
		at = i + 2
	}
	if at == 0 {
		return false, false
	}
	b := slices.Clone(packet)
	copy(b[authenticatorAt:], request[:])
	clear(b[at : at+md5.Size])
	return true, hmac.Equal(sum(b, secret), packet[at:at+md5.Size])
}

func sum(b, secret []byte) []byte {
	h := hmac.New(md5.New, secret)
	h.Write(b)
	return h.Sum(nil)
}
