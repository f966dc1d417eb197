package ike

import "postern/ike/isakmp"

// Outgoing is a message on its way out, as Config.Alter sees it: a gateway that
// clients are tried against can say what this package never would. Nothing that a
// gateway of daily use needs is among it.
type Outgoing struct {
	Exchange  isakmp.ExchangeType
	MessageID uint32
	Number    int              // of the message in its exchange, from 1
	Flags     isakmp.Flags     // set beside those that the message has
	Payloads  []isakmp.Payload // HASH first in phase 2; the bodies aren't the callee's to write into
	Clear     bool             // it goes in clear although there are keys

	// Plain, if not nil, makes of the encoded payloads what is encrypted or goes in clear.
	Plain func(payloads []byte) []byte
	// Datagrams, if not nil, makes of the message's datagrams those that go out,
	// whenever it is sent or repeated.
	Datagrams func([][]byte) [][]byte

	hash func(rest []byte) []byte
}

// Rehash makes HASH(1) or HASH(2) that of the other payloads as they are now. A message
// that begins with neither stays as it is.
func (o *Outgoing) Rehash() {
	if o.hash == nil || len(o.Payloads) == 0 || o.Payloads[0].Type != isakmp.PayloadHash {
		return
	}
	o.Payloads[0].Body = o.hash(isakmp.AppendPayloads(nil, o.Payloads[1:]))
}

// Hash is HASH(1) or HASH(2) of what stands behind it in the message; nil where there is
// neither.
func (o *Outgoing) Hash(rest []byte) []byte {
	if o.hash == nil {
		return nil
	}
	return o.hash(rest)
}

// altered shows the next message to Config.Alter.
func (x *exchange) altered(payloads []isakmp.Payload) *Outgoing {
	if x.link.alter == nil {
		return &Outgoing{Payloads: payloads}
	}
	o := &Outgoing{
		Exchange: x.typ, MessageID: x.msgID, Number: x.count + 1, hash: x.hash,
		Payloads: append([]isakmp.Payload(nil), payloads...),
	}
	x.link.alter(o)
	return o
}
