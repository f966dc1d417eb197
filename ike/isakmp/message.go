package isakmp

import (
	"encoding/binary"
	"fmt"
)

// genericLen is the length of the generic payload header. RFC 2408, section 3.2
//
//	octet  0       type of the next payload; 0 in the last
//	octet  1       RESERVED
//	octets 2 to 3  length in octets, this header included
const genericLen = 4

// A Payload is one payload of a message.
type Payload struct {
	Type PayloadType
	Body []byte // what follows the generic header; at most 65531 octets
}

// A Message is a header and its payloads, in clear.
type Message struct {
	Header
	Payloads []Payload
	body     []byte // as received, header excluded, padding included
}

// ParseMessage reads the payloads of a message: body is what follows the
// header h, decrypted. Octets behind the last payload are padding and ignored:
// what pads, how much and with what differs from gateway to gateway. The
// message keeps body, and its payloads alias it.
func ParseMessage(h Header, body []byte) (*Message, error) {
	if len(body) > MaxMessage-HeaderLen {
		return nil, fmt.Errorf("message of %d octets is above %d", HeaderLen+len(body), MaxMessage)
	}
	m := &Message{Header: h, body: body}
	at, next := 0, h.NextPayload
	for next != PayloadNone {
		if len(m.Payloads) == MaxPayloads {
			return nil, fmt.Errorf("message: more than %d payloads", MaxPayloads)
		}
		rest := body[at:]
		if len(rest) < genericLen {
			return nil, payloadError(len(m.Payloads), next, at, "%d octets left for its header of %d", len(rest), genericLen)
		}
		length := int(binary.BigEndian.Uint16(rest[2:]))
		if length < genericLen {
			return nil, payloadError(len(m.Payloads), next, at, "length %d is below %d", length, genericLen)
		}
		if length > len(rest) {
			return nil, payloadError(len(m.Payloads), next, at, "length %d, but %d octets left", length, len(rest))
		}
		m.Payloads = append(m.Payloads, Payload{next, rest[genericLen:length:length]})
		at, next = at+length, PayloadType(rest[0])
	}
	return m, nil
}

// payloadError names the payload, counted from 1, and its octet in the message.
func payloadError(index int, t PayloadType, at int, format string, args ...any) error {
	return fmt.Errorf("payload %d (%s) at octet %d: %s", index+1, t, HeaderLen+at, fmt.Sprintf(format, args...))
}

// Get returns the body of the first payload of type t, nil when there is none.
func (m *Message) Get(t PayloadType) []byte {
	for _, p := range m.Payloads {
		if p.Type == t {
			return p.Body
		}
	}
	return nil
}

// All returns the bodies of all payloads of type t, in the order of the message.
func (m *Message) All(t PayloadType) [][]byte {
	var bodies [][]byte
	for _, p := range m.Payloads {
		if p.Type == t {
			bodies = append(bodies, p.Body)
		}
	}
	return bodies
}

// After returns the octets of all payloads behind Payloads[i] as they were
// received: generic headers included, padding excluded. With i = -1 it returns
// those of all payloads. HASH(1), HASH(2) and the hashes of the other phase 2
// exchanges cover After(0). RFC 2409, section 5.5
//
// The message must come from ParseMessage with its Payloads unchanged.
func (m *Message) After(i int) []byte {
	start, end := 0, 0
	for j, p := range m.Payloads {
		end += genericLen + len(p.Body)
		if j == i {
			start = end
		}
	}
	return m.body[start:end:end]
}

// AppendPayloads appends the chained payloads to b. The header's NextPayload
// is the type of the first.
//
// Not RFC: clear messages aren't padded to 4 octets, for Check Point gateways
// drop those that are.
func AppendPayloads(b []byte, payloads []Payload) []byte {
	for i, p := range payloads {
		next := PayloadNone
		if i+1 < len(payloads) {
			next = payloads[i+1].Type
		}
		b = appendGeneric(b, next, len(p.Body))
		b = append(b, p.Body...)
	}
	return b
}

// appendGeneric appends the generic header of a payload with n octets of body.
func appendGeneric(b []byte, next PayloadType, n int) []byte {
	b = append(b, byte(next), 0)
	return binary.BigEndian.AppendUint16(b, uint16(genericLen+n))
}
