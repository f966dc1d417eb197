package ike

import (
	"fmt"

	"postern/ike/isakmp"
)

// auth is one way to authenticate a phase 1. The methods differ in SKEYID and in
// the last paragraph of a mode: what proves who we are, and how the peer's proof
// is checked.
type auth interface {
	// skeyid is SKEYID (RFC 2409, section 5).
	skeyid(h hashFunc, niB, nrB []byte) []byte
	// prove is the payloads that prove who we are, given our HASH.
	prove(p *phase1, ours proof) ([]isakmp.Payload, error)
	// check verifies what proves the peer to be id, given its HASH.
	check(p *phase1, m *isakmp.Message, id isakmp.ID, theirs proof) error
}

// proof is HASH_I or HASH_R, made with the HMAC of a hash: the negotiated one,
// unless the signature algorithm is tied to another (RFC 2409, section 5.1).
type proof func(h hashFunc) []byte

// proofI is HASH_I.
func (p *phase1) proofI(k *keys) proof {
	return func(h hashFunc) []byte { return p.schedule.hashI(k.under(h), p.saiB, p.idiiB) }
}

// proofR is HASH_R.
func (p *phase1) proofR(k *keys) proof {
	return func(h hashFunc) []byte { return p.schedule.hashR(k.under(h), p.saiB, p.idirB) }
}

// under is the keys with another hash for HASH_I and HASH_R.
func (k *keys) under(h hashFunc) *keys { return &keys{hash: h, skeyid: k.skeyid} }

// family is what a method does whether or not XAuth follows it.
func family(m isakmp.AuthMethod) isakmp.AuthMethod {
	switch m {
	case isakmp.AuthXAuthInitPSK, isakmp.AuthXAuthRespPSK:
		return isakmp.AuthPSK
	case isakmp.AuthXAuthInitDSS, isakmp.AuthXAuthRespDSS:
		return isakmp.AuthDSS
	case isakmp.AuthXAuthInitRSA, isakmp.AuthXAuthRespRSA:
		return isakmp.AuthRSA
	case isakmp.AuthXAuthInitRSAEncryption, isakmp.AuthXAuthRespRSAEncryption:
		return isakmp.AuthRSAEncryption
	case isakmp.AuthXAuthInitRSARevisedEncryption, isakmp.AuthXAuthRespRSARevisedEncryption:
		return isakmp.AuthRSARevisedEncryption
	}
	return m
}

// isXAuth says whether the method goes on with XAuth after phase 1.
func isXAuth(m isakmp.AuthMethod) bool {
	return m >= isakmp.AuthXAuthInitPSK && m <= isakmp.AuthXAuthRespRSARevisedEncryption ||
		m >= isakmp.AuthHybridInitRSA && m <= isakmp.AuthHybridRespDSS
}

// authenticate begins a method. A responder's pre-shared key comes later, from
// its groups.
func (p *phase1) authenticate(m isakmp.AuthMethod) (auth, error) {
	switch family(m) {
	case isakmp.AuthPSK:
		return preShared(p.cfg.Secret), nil
	case isakmp.AuthHybridInitRSA, isakmp.AuthHybridInitDSS:
		return hybrid{signature{schemeOf(m), &p.schedule}, !p.initiator}, nil
	case isakmp.AuthHybridRespRSA, isakmp.AuthHybridRespDSS:
		return hybrid{signature{schemeOf(m), &p.schedule}, p.initiator}, nil
	}
	if s := schemeOf(m); s != nil {
		return signature{s, &p.schedule}, nil
	}
	switch e := (rsaEncryption{schedule: &p.schedule}); family(m) {
	case isakmp.AuthRSAEncryption:
		return &e, nil
	case isakmp.AuthRSARevisedEncryption:
		return &rsaRevised{e}, nil
	}
	return nil, fmt.Errorf("authentication with %v isn't supported", m)
}

// signs says which ends sign under a method.
func signs(m isakmp.AuthMethod) (initiator, responder bool) {
	switch m {
	case isakmp.AuthHybridInitRSA, isakmp.AuthHybridInitDSS:
		return false, true
	case isakmp.AuthHybridRespRSA, isakmp.AuthHybridRespDSS:
		return true, false
	}
	s := schemeOf(m) != nil
	return s, s
}

// can says why a method can't be used in the role, before it is offered or
// taken.
func (c *Config) can(m isakmp.AuthMethod, initiator bool) error {
	ours, theirs := signs(m)
	if !initiator {
		ours, theirs = theirs, ours
	}
	switch {
	case family(m) == isakmp.AuthPSK:
		if !initiator && c.Groups == nil {
			return fmt.Errorf("%v: no pre-shared key to accept anybody with", m)
		}
		return nil
	case encrypts(m):
		return c.canEncrypt(m, initiator)
	case !ours && !theirs:
		return fmt.Errorf("authentication with %v isn't supported", m)
	case ours && c.credential(schemeOf(m)) == nil:
		return fmt.Errorf("%v: no key of ours is for it", m)
	case theirs && c.Verify == nil:
		return fmt.Errorf("%v: nothing to verify the peer's certificate with", m)
	}
	return nil
}

func encrypts(m isakmp.AuthMethod) bool {
	f := family(m)
	return f == isakmp.AuthRSAEncryption || f == isakmp.AuthRSARevisedEncryption
}

func (c *Config) canEncrypt(m isakmp.AuthMethod, initiator bool) error {
	switch {
	case c.decrypter() == nil:
		return fmt.Errorf("%v: no key of ours decrypts", m)
	case c.Verify == nil:
		return fmt.Errorf("%v: nothing to find the peer's key with", m)
	case initiator && c.PeerCertificate == nil:
		return fmt.Errorf("%v: the peer's certificate is needed beforehand", m)
	}
	return nil
}

// possible is the methods that can be used in the role.
func (c *Config) possible(initiator bool) (ms []isakmp.AuthMethod) {
	for _, m := range c.methods() {
		if c.can(m, initiator) == nil {
			ms = append(ms, m)
		}
	}
	return ms
}
