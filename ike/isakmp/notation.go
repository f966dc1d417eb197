package isakmp

import (
	"encoding/binary"
	"strings"
)

// String returns the message in the notation of RFC 2409, section 3.2, without
// the sender's role, which a message doesn't tell: "HDR, SA, VID" in clear,
// "HDR*, HASH, SA, Nx" under encryption. A notification shows what it says,
// "N(R-U-THERE)", an attribute payload its type, "ATTR(REQUEST)".
func (m *Message) String() string { return m.notation(nil) }

// Notation is String for a message whose sender is known, with the roles that
// the RFC writes: "HDR*, IDii, HASH_I" from the initiator of the exchange,
// "HDR*, HASH, SA, Nr, IDci, IDcr" from its responder.
func (m *Message) Notation(initiator bool) string { return m.notation(&initiator) }

func (m *Message) notation(initiator *bool) string {
	var b strings.Builder
	b.WriteString("HDR")
	if m.Flags&FlagEncryption != 0 {
		b.WriteByte('*')
	}
	r := role{m.Exchange, initiator, 0}
	for _, p := range m.Payloads {
		b.WriteString(", ")
		b.WriteString(r.name(p))
	}
	return b.String()
}

// role spells the payloads whose names depend on who sends them, when.
type role struct {
	exchange  ExchangeType
	initiator *bool // nil: not known
	ids       int   // ID payloads seen
}

func (r *role) name(p Payload) string {
	switch p.Type {
	case PayloadNonce:
		return "N" + r.side("x")
	case PayloadID:
		r.ids++
		return "ID" + r.idSuffix()
	case PayloadHash, PayloadSig:
		if phase1 := r.exchange == ExchangeMain || r.exchange == ExchangeAggressive; phase1 && r.initiator != nil {
			return p.Type.String() + "_" + strings.ToUpper(r.side(""))
		}
	case PayloadNotify:
		if len(p.Body) >= 8 {
			return "N(" + NotifyType(binary.BigEndian.Uint16(p.Body[6:])).String() + ")"
		}
	case PayloadConfiguration:
		if len(p.Body) >= 1 {
			return "ATTR(" + CfgType(p.Body[0]).short() + ")"
		}
	}
	return p.Type.String()
}

func (r *role) side(unknown string) string {
	switch {
	case r.initiator == nil:
		return unknown
	case *r.initiator:
		return "i"
	}
	return "r"
}

// idSuffix: IDii and IDir name the peers in phase 1, IDci and IDcr the two ends
// of the traffic in quick mode, where either message carries both.
func (r *role) idSuffix() string {
	switch {
	case r.exchange == ExchangeQuick && r.ids == 1:
		return "ci"
	case r.exchange == ExchangeQuick:
		return "cr"
	case r.initiator == nil:
		return "x"
	}
	return "i" + r.side("")
}
