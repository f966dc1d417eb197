package concentrator

import (
	"crypto/aes"
	cbc "crypto/cipher"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing/synctest"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
)

// attacker speaks IKE in any order, with cryptography of its own: AES-128, SHA-1,
// curve25519, and the keys that it has. It belongs to a bubble.
type attacker struct {
	l              *lab
	key            string
	method         isakmp.AuthMethod
	user, password string

	came             chan []byte
	main, aggressive *attempt1
	asked            *asked // by the gateway, and not answered
	answers          int    // Quick Modes that the gateway answered, or assigned an address in
	messages         map[string][]byte
	msgID            uint32
}

// attempt1 is a phase 1 of the attacker's.
type attempt1 struct {
	ckyI, ckyR   isakmp.Cookie
	private      *ecdh.PrivateKey
	sa, id       []byte
	ni, nr, gxr  []byte
	skeyid, a, e []byte // e is cut to the cipher's key
	iv, last     []byte // last: of phase 1's cipher blocks
}

// asked is a Transaction of the gateway's.
type asked struct {
	p     *attempt1
	msgID uint32
	iv    []byte
	cfg   isakmp.Configuration
}

func newAttacker(l *lab, a attacker) *attacker {
	synctest.Wait() // the gateway accepts clients
	a.l, a.messages = l, make(map[string][]byte)
	a.main, a.aggressive = a.begin("main mode"), a.begin("aggr mode")
	a.came = make(chan []byte, 1000)
	l.pipe.A.OnStray(func(d ike.Datagram) { a.came <- d.Octets })
	return &a
}

func (a *attacker) begin(cookie string) *attempt1 {
	p := &attempt1{ni: []byte("the attacker's nonce")}
	copy(p.ckyI[:], cookie)
	p.private, _ = ecdh.X25519().GenerateKey(rand.Reader)
	p.id = isakmp.ID{Type: isakmp.IDKeyID, Data: []byte("staff")}.Marshal()
	p.sa = isakmp.SA{DOI: isakmp.DOIIPsec, Situation: isakmp.SituationIdentityOnly, Proposals: []isakmp.Proposal{{
		Number: 1, Protocol: isakmp.ProtoISAKMP, Transforms: []isakmp.Transform{{Number: 1, ID: isakmp.KeyIKE, Attributes: []isakmp.Attribute{
			isakmp.TV(isakmp.AttrEncryption, isakmp.CipherAES), isakmp.TV(isakmp.AttrKeyLength, 128), isakmp.TV(isakmp.AttrHash, isakmp.HashSHA1),
			isakmp.TV(isakmp.AttrGroup, isakmp.GroupCurve25519), isakmp.TV(isakmp.AttrAuthMethod, uint16(a.method)),
		}}},
	}}}.Marshal()
	return p
}

func prf(key []byte, data ...[]byte) []byte {
	h := hmac.New(sha1.New, key)
	for _, d := range data {
		h.Write(d)
	}
	return h.Sum(nil)
}

// derive is RFC 2409, section 5, with a pre-shared key.
func (a *attacker) derive(p *attempt1) {
	peer, err := ecdh.X25519().NewPublicKey(p.gxr)
	if err != nil {
		return
	}
	gxy, err := p.private.ECDH(peer)
	if err != nil {
		return
	}
	cookies := slices.Concat(p.ckyI[:], p.ckyR[:])
	p.skeyid = prf([]byte(a.key), p.ni, p.nr)
	d := prf(p.skeyid, gxy, cookies, []byte{0})
	p.a = prf(p.skeyid, d, gxy, cookies, []byte{1})
	p.e = prf(p.skeyid, p.a, gxy, cookies, []byte{2})[:16]
	iv := sha1.Sum(slices.Concat(p.private.PublicKey().Bytes(), p.gxr))
	p.iv = iv[:16]
}

func (p *attempt1) hashI() []byte {
	return prf(p.skeyid, p.private.PublicKey().Bytes(), p.gxr, p.ckyI[:], p.ckyR[:], p.sa, p.id)
}

func (p *attempt1) phase2IV(msgID uint32) []byte {
	last := p.last
	if last == nil {
		last = p.iv
	}
	iv := sha1.Sum(binary.BigEndian.AppendUint32(slices.Clone(last), msgID))
	return iv[:16]
}

// message encrypts where there is a key.
func (p *attempt1) message(typ isakmp.ExchangeType, msgID uint32, iv *[]byte, payloads ...isakmp.Payload) []byte {
	h := isakmp.Header{InitiatorCookie: p.ckyI, ResponderCookie: p.ckyR, Version: isakmp.Version, Exchange: typ, MessageID: msgID, NextPayload: payloads[0].Type}
	body := isakmp.AppendPayloads(nil, payloads)
	if iv != nil && p.e != nil {
		body = append(body, make([]byte, (16-len(body)%16)%16)...)
		block, _ := aes.NewCipher(p.e)
		cbc.NewCBCEncrypter(block, *iv).CryptBlocks(body, body)
		*iv = body[len(body)-16:]
		h.Flags = isakmp.FlagEncryption
	}
	h.Length = uint32(isakmp.HeaderLen + len(body))
	return append(h.Append(nil), body...)
}

// receive reads an answer.
func (a *attacker) receive(octets []byte) {
	h, err := isakmp.ParseHeader(octets)
	if err != nil {
		return
	}
	if h.Exchange == isakmp.ExchangeQuick {
		a.answers++
	}
	p := a.main
	if h.InitiatorCookie == a.aggressive.ckyI {
		p = a.aggressive
	}
	body, iv := slices.Clone(octets[isakmp.HeaderLen:h.Length]), p.iv
	if h.MessageID != 0 {
		iv = p.phase2IV(h.MessageID)
	}
	if h.Flags&isakmp.FlagEncryption != 0 {
		if p.e == nil || len(body)%16 != 0 {
			return
		}
		block, _ := aes.NewCipher(p.e)
		next := slices.Clone(body[len(body)-16:])
		cbc.NewCBCDecrypter(block, iv).CryptBlocks(body, body)
		iv = next
	}
	m, err := isakmp.ParseMessage(h, body)
	if err != nil {
		return
	}
	switch h.Exchange {
	case isakmp.ExchangeMain, isakmp.ExchangeAggressive:
		a.phase1(p, m, iv)
	case isakmp.ExchangeTransaction:
		c, err := isakmp.ParseConfiguration(m.Get(isakmp.PayloadConfiguration))
		if err == nil && (c.Type == isakmp.CfgRequest || c.Type == isakmp.CfgSet) {
			a.asked = &asked{p, h.MessageID, iv, c}
		}
	}
}

func (a *attacker) phase1(p *attempt1, m *isakmp.Message, iv []byte) {
	if m.Flags&isakmp.FlagEncryption != 0 {
		p.last = iv
		return
	}
	p.ckyR = m.ResponderCookie
	if ke := m.Get(isakmp.PayloadKE); ke != nil && p.e == nil {
		p.gxr, p.nr = slices.Clone(ke), slices.Clone(m.Get(isakmp.PayloadNonce))
		a.derive(p)
	}
}

// established is the phase 1 to speak under: the furthest.
func (a *attacker) established() *attempt1 {
	for _, p := range []*attempt1{a.main, a.aggressive} {
		if p.last != nil {
			return p
		}
	}
	if a.aggressive.e != nil {
		return a.aggressive
	}
	return a.main
}

// kinds are what the attacker can send at any time.
var kinds = []string{"main 1", "main 3", "main 5", "aggressive 1", "aggressive 3", "transaction answer", "set status", "quick 1"}

// send sends a message of a kind, and waits for what comes of it. What is of phase 1
// and has been sent is sent again as it was.
func (a *attacker) send(kind string) {
	octets := a.messages[kind]
	if octets == nil {
		octets = a.make(kind)
	}
	a.l.pipe.Inject(false, slices.Clone(octets))
	time.Sleep(3 * time.Second)
	for {
		select {
		case octets := <-a.came:
			a.receive(octets)
		default:
			return
		}
	}
}

func (a *attacker) make(kind string) []byte {
	pay := func(t isakmp.PayloadType, b []byte) isakmp.Payload { return isakmp.Payload{Type: t, Body: b} }
	m, g := a.main, a.aggressive
	var octets []byte
	switch kind {
	case "main 1":
		octets = m.message(isakmp.ExchangeMain, 0, nil, pay(isakmp.PayloadSA, m.sa))
	case "main 3":
		octets = m.message(isakmp.ExchangeMain, 0, nil, pay(isakmp.PayloadKE, m.private.PublicKey().Bytes()), pay(isakmp.PayloadNonce, m.ni))
		if m.ckyR == (isakmp.Cookie{}) {
			return octets // too early to be the one
		}
	case "main 5":
		iv := m.iv
		octets = m.message(isakmp.ExchangeMain, 0, &iv, pay(isakmp.PayloadID, m.id), pay(isakmp.PayloadHash, m.hashI()))
		if m.e == nil {
			return octets
		}
		m.iv, m.last = iv, iv
	case "aggressive 1":
		octets = g.message(isakmp.ExchangeAggressive, 0, nil, pay(isakmp.PayloadSA, g.sa), pay(isakmp.PayloadKE, g.private.PublicKey().Bytes()),
			pay(isakmp.PayloadNonce, g.ni), pay(isakmp.PayloadID, g.id))
	case "aggressive 3":
		iv := g.iv
		octets = g.message(isakmp.ExchangeAggressive, 0, &iv, pay(isakmp.PayloadHash, g.hashI()))
		if g.e == nil {
			return octets
		}
		g.last = iv
	default:
		return a.phase2(kind)
	}
	a.messages[kind] = octets
	return octets
}

// phase2 is never the same message twice.
func (a *attacker) phase2(kind string) []byte {
	p := a.established()
	a.msgID += 0x01010101
	msgID, iv := a.msgID, p.phase2IV(a.msgID)
	hashed := func(payloads ...isakmp.Payload) []isakmp.Payload {
		hash := prf(p.a, binary.BigEndian.AppendUint32(nil, msgID), isakmp.AppendPayloads(nil, payloads))
		return append([]isakmp.Payload{{Type: isakmp.PayloadHash, Body: hash}}, payloads...)
	}
	configuration := func(c isakmp.Configuration) []byte {
		return p.message(isakmp.ExchangeTransaction, msgID, &iv, hashed(isakmp.Payload{Type: isakmp.PayloadConfiguration, Body: c.Marshal()})...)
	}
	status := []isakmp.Attribute{isakmp.TV(isakmp.AttrXAuthStatus, isakmp.XAuthOK)}
	switch kind {
	case "transaction answer":
		c := isakmp.Configuration{Type: isakmp.CfgReply, Identifier: 1}
		if q := a.asked; q != nil {
			a.asked = nil
			p, msgID, iv = q.p, q.msgID, q.iv
			c.Identifier = q.cfg.Identifier
			if q.cfg.Type == isakmp.CfgSet {
				return configuration(isakmp.Configuration{Type: isakmp.CfgAck, Identifier: c.Identifier})
			}
		}
		c.Attributes = []isakmp.Attribute{isakmp.TLV(isakmp.AttrXAuthUserName, []byte(a.user)), isakmp.TLV(isakmp.AttrXAuthUserPassword, []byte(a.password))}
		if a.user == "" {
			c.Attributes = status
		}
		return configuration(c)
	case "set status":
		return configuration(isakmp.Configuration{Type: isakmp.CfgSet, Identifier: 2, Attributes: status})
	}
	esp := isakmp.SA{DOI: isakmp.DOIIPsec, Situation: isakmp.SituationIdentityOnly, Proposals: []isakmp.Proposal{{
		Number: 1, Protocol: isakmp.ProtoESP, SPI: []byte{1, 2, 3, 4}, Transforms: []isakmp.Transform{{Number: 1, ID: isakmp.ESPAES, Attributes: []isakmp.Attribute{
			isakmp.TV(isakmp.ESPAttrKeyLength, 128), isakmp.TV(isakmp.ESPAttrEncapsulation, isakmp.EncapTunnel), isakmp.TV(isakmp.ESPAttrAuth, isakmp.AuthHMACSHA1),
		}}},
	}}}
	return p.message(isakmp.ExchangeQuick, msgID, &iv, hashed(
		isakmp.Payload{Type: isakmp.PayloadSA, Body: esp.Marshal()}, isakmp.Payload{Type: isakmp.PayloadNonce, Body: []byte("another nonce of its")},
		isakmp.Payload{Type: isakmp.PayloadID, Body: isakmp.AddressID(netip.MustParseAddr("10.20.0.10")).Marshal()},
		isakmp.Payload{Type: isakmp.PayloadID, Body: isakmp.SubnetID(anyIPv4).Marshal()})...)
}
