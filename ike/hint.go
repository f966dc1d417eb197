package ike

import "postern/ike/isakmp"

// Hint sends a notify in clear to a peer that we share no SA with: that a cookie or
// an SPI of its own means nothing to us. It proves nothing; who hears it should ask
// under an SA. The cookies are those of the peer's message; where ckyI is 0 one is
// made up.
func (r *Router) Hint(to Path, ckyI, ckyR isakmp.Cookie, n isakmp.Notify) error {
	if ckyI == (isakmp.Cookie{}) {
		ckyI = newCookie()
	}
	return r.send(inClear(ckyI, ckyR, n), to)
}

// inClear is an Informational message that no key protects.
func inClear(ckyI, ckyR isakmp.Cookie, n isakmp.Notify) []byte {
	h := isakmp.Header{
		InitiatorCookie: ckyI, ResponderCookie: ckyR, Version: isakmp.Version,
		Exchange: isakmp.ExchangeInformational, MessageID: random32(), NextPayload: isakmp.PayloadNotify,
	}
	body := isakmp.AppendPayloads(nil, []isakmp.Payload{{Type: isakmp.PayloadNotify, Body: n.Marshal()}})
	h.Length = uint32(isakmp.HeaderLen + len(body))
	return append(h.Append(nil), body...)
}
