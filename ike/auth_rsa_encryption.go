package ike

import (
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"fmt"

	"postern/ike/isakmp"
)

// sealer is a method that encrypts what the ends tell each other before they
// prove who they are, their identities among it.
type sealer interface {
	auth
	// seal is KE, nonce and ID as the method sends them, and others behind them.
	seal(p *phase1, ke, nonce, id []byte, others []isakmp.Payload) ([]isakmp.Payload, error)
	// open is the inverse for the peer's; it leaves the others of m in clear.
	open(p *phase1, m *isakmp.Message) (ke, nonce, id []byte, err error)
}

// rsaEncryption authenticates with public key encryption (RFC 2409, section 5.2):
//
//	 Initiator                        Responder
//	----------                       -----------
//	 HDR, SA             -->
//	                     <--    HDR, SA
//	 HDR, KE, [ HASH(1), ]
//	   <IDii_b>PubKey_r,
//	     <Ni_b>PubKey_r  -->
//	                     <--    HDR, KE, <IDir_b>PubKey_i,
//	                                     <Nr_b>PubKey_i
//	 HDR*, HASH_I        -->
//	                     <--    HDR*, HASH_R
//
// and in Aggressive Mode
//
//	HDR, SA, [ HASH(1), ] KE,
//	  <IDii_b>PubKey_r,
//	    <Ni_b>PubKey_r  -->
//	                    <--    HDR, SA, KE, <IDir_b>PubKey_i,
//	                                    <Nr_b>PubKey_i, HASH_R
//	HDR, HASH_I         -->
//
// Who can decrypt its peer's nonce is who it says. HASH(1) is the hash of the
// certificate whose key was used. The initiator needs the responder's certificate
// beforehand; the responder finds the initiator's key by its identity.
type rsaEncryption struct {
	schedule *schedule
	ours     *Credential    // whose key decrypts
	peer     *rsa.PublicKey // nil until it is known
}

// skeyid is SKEYID = prf(hash(Ni_b | Nr_b), CKY-I | CKY-R).
func (a *rsaEncryption) skeyid(h hashFunc, niB, nrB []byte) []byte {
	return h.prf(h.sum(niB, nrB), a.schedule.ckyI[:], a.schedule.ckyR[:])
}

// prove is HASH_I or HASH_R.
func (a *rsaEncryption) prove(p *phase1, ours proof) ([]isakmp.Payload, error) {
	return proveHash(p, ours), nil
}

// check verifies the peer's HASH. A responder found the peer's key by its identity,
// an initiator still has to hear whether its certificate has that identity.
func (a *rsaEncryption) check(p *phase1, m *isakmp.Message, id isakmp.ID, theirs proof) error {
	if err := checkHashProof(p, m, theirs, "the peer couldn't decrypt what was for it"); err != nil {
		return err
	}
	if !p.initiator {
		return nil
	}
	key, err := p.judge(p.cfg.peerCertificate(), &id)
	if err == nil && !a.peer.Equal(key) {
		err = errHopeless{fmt.Errorf("%w: another key now than before", ErrCertificate)}
	}
	return err
}

// begin finds our key, and an initiator's peer's.
func (a *rsaEncryption) begin(p *phase1) (err error) {
	if a.ours == nil {
		a.ours = p.cfg.decrypter()
	}
	if a.peer != nil || !p.initiator {
		return nil
	}
	a.peer, err = a.judge(p, p.cfg.peerCertificate(), nil)
	return err
}

// judge asks for the key of the peer that has the certificates, or the identity.
func (a *rsaEncryption) judge(p *phase1, certs []isakmp.Cert, id *isakmp.ID) (*rsa.PublicKey, error) {
	key, err := p.judge(certs, id)
	if err != nil {
		return nil, err
	}
	k, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%w: its key is a %T, not RSA", ErrCertificate, key)
	}
	if err := checkRSA(k, p.cfg.minKeyBits()); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCertificate, err)
	}
	return k, nil
}

// lookUp finds the key of an initiator. That nobody has the identity is answered
// as what doesn't decrypt is: not at all.
func (a *rsaEncryption) lookUp(p *phase1, certs []isakmp.Cert, body []byte) (err error) {
	id, err := isakmp.ParseID(body)
	if err != nil {
		id = isakmp.ID{}
	}
	if a.peer, err = a.judge(p, certs, &id); err != nil {
		return errNobody
	}
	return nil
}

var errNobody = errors.New("encrypted for another key than ours, or by nobody whose key we have")

// encrypt is <body>PubKey of the peer.
func (a *rsaEncryption) encrypt(typ isakmp.PayloadType, body []byte) (isakmp.Payload, error) {
	b, err := encryptPKCS1(a.peer, body)
	if err != nil {
		return isakmp.Payload{}, fmt.Errorf("encrypting %d octets for the peer: %w", len(body), err)
	}
	return isakmp.Payload{Type: typ, Body: b}, nil
}

// Lengths of what is encrypted.
const (
	minNonce, maxNonce = 8, 256 // RFC 2409, section 5
	minID, maxID       = 4, 1 << 10
)

func (a *rsaEncryption) seal(p *phase1, ke, nonce, id []byte, others []isakmp.Payload) ([]isakmp.Payload, error) {
	if err := a.begin(p); err != nil {
		return nil, err
	}
	sealedID, err := a.encrypt(isakmp.PayloadID, id)
	if err != nil {
		return nil, err
	}
	sealedNonce, err := a.encrypt(isakmp.PayloadNonce, nonce)
	if err != nil {
		return nil, err
	}
	hash1, kePayload := p.hashOfCertificate(), isakmp.Payload{Type: isakmp.PayloadKE, Body: ke}
	payloads := append([]isakmp.Payload{kePayload}, hash1...)
	if p.x.typ == isakmp.ExchangeAggressive {
		payloads = append(hash1, kePayload)
	}
	return append(append(payloads, sealedID, sealedNonce), others...), nil
}

func (a *rsaEncryption) open(p *phase1, m *isakmp.Message) (ke, nonce, id []byte, err error) {
	if err := a.begin(p); err != nil {
		return nil, nil, nil, err
	}
	if err := a.chooseKey(p, m); err != nil {
		return nil, nil, nil, err
	}
	if nonce, err = decryptPKCS1(a.ours.Key, m.Get(isakmp.PayloadNonce), minNonce, maxNonce); err != nil {
		return nil, nil, nil, fmt.Errorf("nonce payload: %w", err)
	}
	if id, err = decryptPKCS1(a.ours.Key, m.Get(isakmp.PayloadID), minID, maxID); err != nil {
		return nil, nil, nil, fmt.Errorf("ID payload: %w", err)
	}
	if !p.initiator {
		err = a.lookUp(p, nil, id)
	}
	return m.Get(isakmp.PayloadKE), nonce, id, err
}

// hashOfCertificate is HASH(1), by which an initiator says whose key it used.
// Before a hash is agreed on there is none.
func (p *phase1) hashOfCertificate() []isakmp.Payload {
	if !p.initiator {
		return nil
	}
	for _, o := range p.cfg.Proposals {
		if p.sarB == nil && o.Hash != p.chosen.Hash {
			return nil
		}
	}
	return []isakmp.Payload{{Type: isakmp.PayloadHash, Body: hashFuncs[p.chosen.Hash].sum(p.cfg.PeerCertificate)}}
}

// chooseKey takes the one of our keys that HASH(1) names.
func (a *rsaEncryption) chooseKey(p *phase1, m *isakmp.Message) error {
	hash1 := m.Get(isakmp.PayloadHash)
	if p.initiator || hash1 == nil {
		return nil
	}
	for i, c := range p.cfg.Credentials {
		if c.decrypts() && len(c.Chain) > 0 &&
			subtle.ConstantTimeCompare(hashFuncs[p.chosen.Hash].sum(c.Chain[0]), hash1) == 1 {
			a.ours = &p.cfg.Credentials[i]
			return nil
		}
	}
	return errors.New("HASH(1) is of no certificate of ours")
}
