package ike

import (
	"crypto/ecdh"
	"crypto/rand"
	"fmt"

	"postern/ike/isakmp"
)

// dhGroup is a Diffie-Hellman group of RFC 2409, section 6, RFC 3526, RFC 5903
// or RFC 8031.
type dhGroup interface {
	size() int // octets of a KE payload
	generate() (dhKey, error)
}

// dhKey is one side's key pair. Ours never leaves memory; clear forgets it.
type dhKey interface {
	public() []byte                     // g^x as the KE payload carries it
	shared(peer []byte) ([]byte, error) // g^xy, padded on the left to the size of the group
	clear()
}

var dhGroups = map[isakmp.Group]dhGroup{
	isakmp.GroupMODP768:    newMODP(768, 149686, 20),
	isakmp.GroupMODP1024:   newMODP(1024, 129093, 24),
	isakmp.GroupMODP1536:   newMODP(1536, 741804, 24),
	isakmp.GroupMODP2048:   newMODP(2048, 124476, 32),
	isakmp.GroupMODP3072:   newMODP(3072, 1690314, 36),
	isakmp.GroupMODP4096:   newMODP(4096, 240904, 40),
	isakmp.GroupMODP6144:   newMODP(6144, 929484, 48),
	isakmp.GroupMODP8192:   newMODP(8192, 4743158, 56),
	isakmp.GroupECP256:     ecp{ecdh.P256(), 64},
	isakmp.GroupECP384:     ecp{ecdh.P384(), 96},
	isakmp.GroupECP521:     ecp{ecdh.P521(), 132},
	isakmp.GroupCurve25519: ecp{ecdh.X25519(), 32},
}

func findGroup(g isakmp.Group) (dhGroup, error) {
	if d, ok := dhGroups[g]; ok {
		return d, nil
	}
	return nil, fmt.Errorf("Diffie-Hellman group %v isn't supported", g)
}

// ecp is an elliptic curve group. The KE payload of a NIST curve is x | y, each
// as long as the field (RFC 5903, section 7), so the octet 4 of the encoding
// that crypto/ecdh knows is put before it; curve25519 is its 32 octets
// (RFC 8031, section 2). g^xy is the x coordinate.
type ecp struct {
	curve  ecdh.Curve
	octets int
}

func (g ecp) size() int { return g.octets }

func (g ecp) generate() (dhKey, error) {
	k, err := g.curve.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return &ecpKey{g, k}, nil
}

type ecpKey struct {
	group ecp
	key   *ecdh.PrivateKey
}

func (k *ecpKey) public() []byte {
	b := k.key.PublicKey().Bytes()
	return b[len(b)-k.group.octets:]
}

func (k *ecpKey) shared(peer []byte) ([]byte, error) {
	if len(peer) != k.group.octets {
		return nil, fmt.Errorf("public value of %d octets where the group has %d", len(peer), k.group.octets)
	}
	if k.group.curve != ecdh.X25519() {
		peer = append([]byte{4}, peer...)
	}
	y, err := k.group.curve.NewPublicKey(peer)
	if err != nil {
		return nil, fmt.Errorf("public value isn't a point of the curve")
	}
	return k.key.ECDH(y)
}

func (k *ecpKey) clear() { k.key = nil }
