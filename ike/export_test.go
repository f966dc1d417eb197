package ike

import (
	"bytes"
	"crypto/cipher"

	"postern/ike/isakmp"
)

// Limits and times that tests hold the package to.
const (
	MaxHalfOpen          = maxHalfOpen
	MaxHalfOpenPerSource = maxHalfOpenPerSource
	Patience             = patience
	Lingering            = lingering
	MaxProbes            = maxProbes
)

// HalfOpen is how many peers a router knows that haven't proved anything.
func (r *Router) HalfOpen() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.halfOpen)
}

// Wires is how many SAs a router knows, on their way or made.
func (r *Router) Wires() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.initiated) + len(r.accepted)
}

// KeysForgotten says whether the keys of an SA are overwritten.
func KeysForgotten(sa *SA) bool {
	for _, k := range [][]byte{sa.keys.skeyid, sa.keys.skeyidD, sa.keys.skeyidA, sa.keys.skeyidE, sa.keys.ka} {
		if !bytes.Equal(k, make([]byte, len(k))) {
			return false
		}
	}
	return true
}

// Voice speaks under the keys of an SA, with the words of whoever holds it: it
// writes what this package would never write.
type Voice struct {
	ckyI, ckyR isakmp.Cookie
	keys       keys
}

// VoiceOf takes the keys of an SA, which may end afterwards.
func VoiceOf(sa *SA) *Voice {
	k := *sa.keys
	for _, b := range []*[]byte{&k.skeyid, &k.skeyidD, &k.skeyidA, &k.skeyidE, &k.ka} {
		*b = bytes.Clone(*b)
	}
	return &Voice{sa.info.CookieI, sa.info.CookieR, k}
}

// Base is the IV that an exchange begins with.
func (v *Voice) Base(msgID uint32) []byte { return v.keys.phase2IV(msgID) }

// SKEYID is the phase 1's.
func (v *Voice) SKEYID() []byte { return v.keys.skeyid }

// Phase1IV is the first IV of phase 1.
func (v *Voice) Phase1IV() []byte { return v.keys.iv }

// Seal writes an encrypted message on the chain of iv, which it moves on.
func (v *Voice) Seal(typ isakmp.ExchangeType, flags isakmp.Flags, msgID uint32, iv *[]byte, payloads ...isakmp.Payload) []byte {
	body := isakmp.AppendPayloads(nil, payloads)
	body, *iv = v.keys.encrypt(*iv, body)
	return v.message(typ, flags|isakmp.FlagEncryption, msgID, payloads, body)
}

// SealRaw encrypts whole blocks as they are.
func (v *Voice) SealRaw(typ isakmp.ExchangeType, msgID uint32, first isakmp.PayloadType, plain []byte) []byte {
	plain = append(bytes.Clone(plain), make([]byte, (-len(plain)%16+16)%16)...)
	body := bytes.Clone(plain)
	cipher.NewCBCEncrypter(v.keys.cipher, v.Base(msgID)).CryptBlocks(body, body)
	return v.message(typ, isakmp.FlagEncryption, msgID, []isakmp.Payload{{Type: first}}, body)
}

// Clear writes a message that isn't encrypted.
func (v *Voice) Clear(typ isakmp.ExchangeType, msgID uint32, payloads ...isakmp.Payload) []byte {
	return v.message(typ, 0, msgID, payloads, isakmp.AppendPayloads(nil, payloads))
}

func (v *Voice) message(typ isakmp.ExchangeType, flags isakmp.Flags, msgID uint32, payloads []isakmp.Payload, body []byte) []byte {
	h := isakmp.Header{
		InitiatorCookie: v.ckyI, ResponderCookie: v.ckyR, Version: isakmp.Version, Exchange: typ, Flags: flags,
		MessageID: msgID, Length: uint32(isakmp.HeaderLen + len(body)),
	}
	if len(payloads) > 0 {
		h.NextPayload = payloads[0].Type
	}
	return append(h.Append(nil), body...)
}

// Open reads an encrypted message on the chain of iv, which it moves on.
func (v *Voice) Open(octets []byte, iv *[]byte) (*isakmp.Message, error) {
	h, err := isakmp.ParseHeader(octets)
	if err != nil {
		return nil, err
	}
	plain, next, err := v.keys.decrypt(*iv, octets[isakmp.HeaderLen:h.Length], nil)
	if err != nil {
		return nil, err
	}
	*iv = next
	return isakmp.ParseMessage(h, plain)
}

// Hashed puts HASH(1) before the payloads.
func (v *Voice) Hashed(msgID uint32, payloads ...isakmp.Payload) []isakmp.Payload {
	return v.before(v.keys.hash1(msgID, isakmp.AppendPayloads(nil, payloads)), payloads)
}

// Hashed2 puts HASH(2) before the payloads.
func (v *Voice) Hashed2(msgID uint32, niB []byte, payloads ...isakmp.Payload) []isakmp.Payload {
	return v.before(v.keys.hash2(msgID, niB, isakmp.AppendPayloads(nil, payloads)), payloads)
}

func (v *Voice) before(hash []byte, payloads []isakmp.Payload) []isakmp.Payload {
	return append([]isakmp.Payload{{Type: isakmp.PayloadHash, Body: hash}}, payloads...)
}

// Hash3 is HASH(3).
func (v *Voice) Hash3(msgID uint32, niB, nrB []byte) []byte { return v.keys.hash3(msgID, niB, nrB) }

// Inform is a whole Informational message.
func (v *Voice) Inform(msgID uint32, payloads ...isakmp.Payload) []byte {
	iv := v.Base(msgID)
	return v.Seal(isakmp.ExchangeInformational, 0, msgID, &iv, v.Hashed(msgID, payloads...)...)
}

// ForgetLastBlock makes an SA believe that nothing was encrypted in phase 1. It
// must be idle.
func ForgetLastBlock(sa *SA) { sa.keys.lastBlock = sa.keys.iv }

// Complain is an Informational message in the middle of phase 1, whose last
// cipher block so far is given.
func (v *Voice) Complain(lastBlock []byte, msgID uint32, payloads ...isakmp.Payload) []byte {
	k := v.keys
	k.lastBlock = lastBlock
	iv := k.phase2IV(msgID)
	return v.Seal(isakmp.ExchangeInformational, 0, msgID, &iv, v.Hashed(msgID, payloads...)...)
}

// ComplaintOf is what a phase 1 with the keys of sa makes of such a message.
func ComplaintOf(sa *SA, lastBlock, octets []byte) error {
	p := newPhase1(sa.link.wire, sa.Path(), sa.cfg, Main, true)
	p.x.protect(sa.keys, lastBlock)
	h, err := isakmp.ParseHeader(octets)
	if err != nil {
		return err
	}
	return p.complaint(h, octets)
}
