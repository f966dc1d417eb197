package diagnosis

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
)

// question is a first message of phase 1 that nobody goes on with.
type question struct {
	exchange  isakmp.ExchangeType
	proposals []ike.Proposal // Aggressive Mode: all of one group
	methods   []isakmp.AuthMethod
	id        isakmp.ID // Aggressive Mode

	cookie isakmp.Cookie
	octets []byte
}

// offeredLife is what gateways that want a life time to be named find acceptable.
const offeredLife = 8 * time.Hour

// newQuestion is HDR, SA, VID … of Main Mode, or HDR, SA, KE, Ni, IDii, VID … of
// Aggressive Mode (RFC 2409, section 5.4).
func newQuestion(exchange isakmp.ExchangeType, proposals []ike.Proposal, methods []isakmp.AuthMethod, id isakmp.ID) (*question, error) {
	q := &question{exchange: exchange, proposals: proposals, methods: methods, id: id, cookie: newCookie()}
	payloads := []isakmp.Payload{{Type: isakmp.PayloadSA, Body: ike.Offer(proposals, methods, offeredLife)}}
	if exchange == isakmp.ExchangeAggressive {
		ke, err := ike.PublicValue(proposals[0].Group)
		if err != nil {
			return nil, err
		}
		nonce := make([]byte, 32)
		rand.Read(nonce)
		payloads = append(payloads, isakmp.Payload{Type: isakmp.PayloadKE, Body: ke},
			isakmp.Payload{Type: isakmp.PayloadNonce, Body: nonce}, isakmp.Payload{Type: isakmp.PayloadID, Body: id.Marshal()})
	}
	for _, vid := range ike.VendorIDs() {
		payloads = append(payloads, isakmp.Payload{Type: isakmp.PayloadVendorID, Body: vid})
	}
	q.octets = message(isakmp.Header{InitiatorCookie: q.cookie, Version: isakmp.Version, Exchange: exchange}, payloads)
	return q, nil
}

// message is a header with the payloads behind it.
func message(h isakmp.Header, payloads []isakmp.Payload) []byte {
	body := isakmp.AppendPayloads(nil, payloads)
	h.NextPayload, h.Length = payloads[0].Type, uint32(isakmp.HeaderLen+len(body))
	return append(h.Append(nil), body...)
}

// newCookie is random. Its first four octets are never zero: that is the non-ESP
// marker.
func newCookie() (c isakmp.Cookie) {
	for binary.BigEndian.Uint32(c[:]) == 0 {
		rand.Read(c[:])
	}
	return c
}

// answer is what a gateway said to a question. Nothing in it was authenticated.
type answer struct {
	responder isakmp.Cookie
	accepts   bool
	choice    ike.Choice        // if it accepts
	notify    isakmp.NotifyType // if it doesn't
	vendorIDs [][]byte
	identity  *isakmp.ID // Aggressive Mode
	hash      bool       // Aggressive Mode: HASH_R was there
}

// read takes what arrived, from whomever it may come: an error says why that is no
// answer to the question.
func (q *question) read(octets []byte) (*answer, error) {
	h, err := isakmp.ParseHeader(octets)
	switch {
	case err != nil:
		return nil, err
	case h.Version>>4 != isakmp.Version>>4:
		return nil, fmt.Errorf("version %d.%d", h.Version>>4, h.Version&15)
	case h.InitiatorCookie != q.cookie:
		return nil, errors.New("initiator cookie of another exchange")
	case h.Flags&isakmp.FlagEncryption != 0:
		return nil, errors.New("encrypted, where there are no keys")
	}
	m, err := isakmp.ParseMessage(h, octets[isakmp.HeaderLen:h.Length])
	if err != nil {
		return nil, err
	}
	switch h.Exchange {
	case isakmp.ExchangeInformational:
		return readRefusal(m)
	case q.exchange:
		if sa := m.Get(isakmp.PayloadSA); sa != nil {
			return q.readChoice(m, sa)
		}
		return readRefusal(m) // some refuse inside the exchange
	}
	return nil, fmt.Errorf("exchange %v", h.Exchange)
}

// readChoice reads message 2.
func (q *question) readChoice(m *isakmp.Message, sa []byte) (*answer, error) {
	if m.ResponderCookie == (isakmp.Cookie{}) {
		return nil, errors.New("responder cookie 0")
	}
	choice, err := ike.ReadChoice(sa, q.proposals, q.methods)
	if err != nil {
		return nil, err
	}
	a := &answer{
		responder: m.ResponderCookie, accepts: true, choice: choice, vendorIDs: m.All(isakmp.PayloadVendorID),
		hash: m.Get(isakmp.PayloadHash) != nil,
	}
	if body := m.Get(isakmp.PayloadID); body != nil {
		if id, err := isakmp.ParseID(body); err == nil {
			a.identity = &id
		}
	}
	return a, nil
}

// readRefusal finds the error notify in a message.
func readRefusal(m *isakmp.Message) (*answer, error) {
	for _, body := range m.All(isakmp.PayloadNotify) {
		if n, err := isakmp.ParseNotify(body); err == nil && n.Type.IsError() && n.Type != 0 {
			return &answer{responder: m.ResponderCookie, notify: n.Type, vendorIDs: m.All(isakmp.PayloadVendorID)}, nil
		}
	}
	return nil, errors.New("neither a choice nor a refusal")
}

// farewell tells the gateway that its answer isn't followed up: an error in clear
// in an Informational exchange, which is all that an initiator without keys can say
// (RFC 2408, section 4.8). Who doesn't believe it lets the exchange time out.
func (q *question) farewell(a *answer) []byte {
	n := isakmp.Notify{
		DOI: isakmp.DOIIPsec, Protocol: isakmp.ProtoISAKMP, Type: isakmp.NotifyNoProposalChosen,
		SPI: append(append([]byte(nil), q.cookie[:]...), a.responder[:]...),
	}
	var id [4]byte
	rand.Read(id[:])
	return message(isakmp.Header{
		InitiatorCookie: q.cookie, ResponderCookie: a.responder, Version: isakmp.Version,
		Exchange: isakmp.ExchangeInformational, MessageID: binary.BigEndian.Uint32(id[:]) | 1,
	}, []isakmp.Payload{{Type: isakmp.PayloadNotify, Body: n.Marshal()}})
}
