package ike

import (
	"crypto/cipher"
	"fmt"

	"postern/ike/isakmp"
)

// rsaRevised authenticates with the revised mode of public key encryption (RFC
// 2409, section 5.3), where only the nonces are encrypted with RSA and the rest
// with keys made of them:
//
//	 Initiator                        Responder
//	-----------                      -----------
//	 HDR, SA             -->
//	                     <--    HDR, SA
//	 HDR, [ HASH(1), ]
//	   <Ni_b>Pubkey_r,
//	   <KE_b>Ke_i,
//	   <IDii_b>Ke_i,
//	   [<<Cert-I_b>Ke_i] -->
//	                     <--    HDR, <Nr_b>PubKey_i,
//	                                 <KE_b>Ke_r,
//	                                 <IDir_b>Ke_r
//	 HDR*, HASH_I        -->
//	                     <--    HDR*, HASH_R
//
// Aggressive Mode puts SA before message 3 and 4 and HASH_R behind the latter. The
// key of messages 1 and 2 of Aggressive Mode is one of the cipher and hash that are
// still to be agreed on, so an offer there has one of each.
type rsaRevised struct{ rsaEncryption }

// ephemeral is CBC under Ke_i or Ke_r:
//
//	Ne_i = prf(Ni_b, CKY-I)        Ne_r = prf(Nr_b, CKY-R)
//
// from which the keys are made as SKEYID_e's is. "The IV for encrypting the first
// payload following the nonce is set to 0"; each further payload goes on from the
// last block of the one before.
type ephemeral struct {
	block cipher.Block
	iv    []byte
}

func newEphemeral(s Proposal, nonce []byte, cky isakmp.Cookie) (*ephemeral, error) {
	h, err := findHash(s.Hash)
	if err != nil {
		return nil, err
	}
	pc, keyLen, err := findCipher(s.Cipher, s.KeyBits)
	if err != nil {
		return nil, err
	}
	block, err := pc.new(cipherKey(h, h.prf(nonce, cky[:]), keyLen))
	return &ephemeral{block, make([]byte, pc.blockSize)}, err
}

// encrypt pads and encrypts one body. "All padding bytes, except for the last one,
// contain 0x00. The last byte of the padding contains the number of the padding
// bytes used, excluding the last one."
func (e *ephemeral) encrypt(body []byte) []byte {
	n := e.block.BlockSize()
	pad := n - len(body)%n
	b := append(append([]byte(nil), body...), make([]byte, pad)...)
	b[len(b)-1] = byte(pad - 1)
	cipher.NewCBCEncrypter(e.block, e.iv).CryptBlocks(b, b)
	e.iv = b[len(b)-n:]
	return b
}

func (e *ephemeral) decrypt(body []byte) ([]byte, error) {
	n := e.block.BlockSize()
	if len(body) == 0 || len(body)%n != 0 {
		return nil, fmt.Errorf("%d encrypted octets aren't whole blocks of %d", len(body), n)
	}
	b := make([]byte, len(body))
	cipher.NewCBCDecrypter(e.block, e.iv).CryptBlocks(b, body)
	e.iv = body[len(body)-n:]
	pad := int(b[len(b)-1]) + 1
	if pad > len(b) {
		return nil, errNobody
	}
	return b[:len(b)-pad], nil
}

func (a *rsaRevised) seal(p *phase1, ke, nonce, id []byte, others []isakmp.Payload) ([]isakmp.Payload, error) {
	if err := a.begin(p); err != nil {
		return nil, err
	}
	sealedNonce, err := a.encrypt(isakmp.PayloadNonce, nonce)
	if err != nil {
		return nil, err
	}
	cky := p.link.ckyR
	if p.initiator {
		cky = p.link.ckyI
	}
	e, err := newEphemeral(p.chosen.Proposal, nonce, cky)
	if err != nil {
		return nil, err
	}
	bodies := []isakmp.Payload{{Type: isakmp.PayloadKE, Body: ke}, {Type: isakmp.PayloadID, Body: id}}
	if p.initiator {
		bodies = append(bodies, p.certificates(a.ours)...)
	}
	// "If the HASH payload is sent it MUST be the first payload of the second message
	// exchange and MUST be followed by the encrypted nonce", and "all payloads
	// following the encrypted nonce MUST be encrypted".
	payloads := append(p.hashOfCertificate(), sealedNonce)
	for _, b := range append(bodies, others...) {
		payloads = append(payloads, isakmp.Payload{Type: b.Type, Body: e.encrypt(b.Body)})
	}
	return payloads, nil
}

// open decrypts, in the order in which they stand, all payloads behind the nonce
// but HASH_R.
func (a *rsaRevised) open(p *phase1, m *isakmp.Message) (ke, nonce, id []byte, err error) {
	if err := a.begin(p); err != nil {
		return nil, nil, nil, err
	}
	if err := a.chooseKey(p, m); err != nil {
		return nil, nil, nil, err
	}
	if nonce, err = decryptPKCS1(a.ours.Key, m.Get(isakmp.PayloadNonce), minNonce, maxNonce); err != nil {
		return nil, nil, nil, fmt.Errorf("nonce payload: %w", err)
	}
	cky := m.ResponderCookie
	if !p.initiator {
		cky = m.InitiatorCookie
	}
	e, err := newEphemeral(p.chosen.Proposal, nonce, cky)
	if err != nil {
		return nil, nil, nil, err
	}
	behind := false
	for i, b := range m.Payloads {
		if behind && b.Type != isakmp.PayloadHash {
			if m.Payloads[i].Body, err = e.decrypt(b.Body); err != nil {
				return nil, nil, nil, err
			}
		}
		behind = behind || b.Type == isakmp.PayloadNonce
	}
	ke, id = m.Get(isakmp.PayloadKE), m.Get(isakmp.PayloadID)
	if group, err := findGroup(p.chosen.Group); err != nil || len(ke) != group.size() {
		return nil, nil, nil, errNobody
	}
	if p.initiator {
		return ke, nonce, id, nil
	}
	certs, err := certificatesIn(m)
	if err != nil {
		return nil, nil, nil, errNobody
	}
	return ke, nonce, id, a.lookUp(p, certs, id)
}
