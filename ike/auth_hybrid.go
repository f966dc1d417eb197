package ike

import "postern/ike/isakmp"

// hybrid authenticates one end with a signature (draft-ietf-ipsec-isakmp-hybrid-auth-05):
// the gateway, which is the responder of the methods called Init and the initiator
// of those called Resp. The client sends HASH_I or HASH_R in the place of SIG. It
// is made with the SKEYID of signatures, in which no secret of the client's is,
// so that it proves no more than that who sent it also did the exchange: XAuth
// has to follow.
type hybrid struct {
	signature
	signs bool // we do
}

func (a hybrid) prove(p *phase1, ours proof) ([]isakmp.Payload, error) {
	if a.signs {
		return a.signature.prove(p, ours)
	}
	return proveHash(p, ours), nil
}

func (a hybrid) check(p *phase1, m *isakmp.Message, id isakmp.ID, theirs proof) error {
	if !a.signs {
		return a.signature.check(p, m, id, theirs)
	}
	return checkHashProof(p, m, theirs, "the peer's HASH isn't that of this exchange")
}
