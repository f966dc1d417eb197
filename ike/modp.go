package ike

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"sync"

	"filippo.io/bigmod"
)

// modp is a More Modular Exponential group: a safe prime and the generator 2.
// The primes of RFC 2409, section 6, and RFC 3526 are all
//
//	p = 2^n - 2^(n-64) - 1 + 2^64 * ( [2^(n-130) pi] + c )
//
// so a group is its size and the constant c.
type modp struct {
	bits int
	c    int64
	// exponent is the length of our private value in octets: at least twice
	// the strength of the group (RFC 3526, section 8), for the group is of a
	// safe prime and needs no longer one.
	exponent int
	prime    func() *bigmod.Modulus
}

func newMODP(bits int, c int64, exponent int) *modp {
	g := &modp{bits: bits, c: c, exponent: exponent}
	g.prime = sync.OnceValue(func() *bigmod.Modulus {
		m, err := bigmod.NewModulus(modpPrime(bits, c).Bytes())
		if err != nil {
			panic("ike: modulus of a well-known group: " + err.Error())
		}
		return m
	})
	return g
}

// modpPrime computes the prime of the group of the given size.
func modpPrime(bits int, c int64) *big.Int {
	one := big.NewInt(1)
	shift := func(n int) *big.Int { return new(big.Int).Lsh(one, uint(n)) }
	p := new(big.Int).Sub(shift(bits), shift(bits-64))
	p.Sub(p, one)
	k := new(big.Int).Add(scaledPi(bits-130), big.NewInt(c))
	return p.Add(p, k.Lsh(k, 64))
}

// scaledPi is [2^n pi], by Machin's formula pi = 16 arctan(1/5) - 4 arctan(1/239).
func scaledPi(n int) *big.Int {
	const guard = 64
	arctan := func(inverse int64) *big.Int {
		x := big.NewInt(inverse)
		square := new(big.Int).Mul(x, x)
		term := new(big.Int).Lsh(big.NewInt(1), uint(n+guard))
		term.Quo(term, x)
		sum := new(big.Int)
		for k := int64(1); term.Sign() != 0; k += 2 {
			t := new(big.Int).Quo(term, big.NewInt(k))
			if k%4 == 1 {
				sum.Add(sum, t)
			} else {
				sum.Sub(sum, t)
			}
			term.Quo(term, square)
		}
		return sum
	}
	pi := arctan(5)
	pi.Mul(pi, big.NewInt(16))
	t := arctan(239)
	pi.Sub(pi, t.Mul(t, big.NewInt(4)))
	return pi.Rsh(pi, guard)
}

func (g *modp) size() int { return g.bits / 8 }

func (g *modp) generate() (dhKey, error) {
	x := make([]byte, g.exponent)
	rand.Read(x) // never fails
	x[0] |= 0x80
	return g.key(x)
}

// key is the key pair whose private value is x.
func (g *modp) key(x []byte) (dhKey, error) {
	two := make([]byte, g.size())
	two[len(two)-1] = 2
	base, err := bigmod.NewNat().SetBytes(two, g.prime())
	if err != nil {
		return nil, err
	}
	y := bigmod.NewNat().Exp(base, x, g.prime())
	return &modpKey{group: g, x: x, y: y.Bytes(g.prime())}, nil
}

type modpKey struct {
	group *modp
	x, y  []byte
}

func (k *modpKey) public() []byte { return k.y }

// shared is g^xy, padded on the left with zeros to the size of the group.
func (k *modpKey) shared(peer []byte) ([]byte, error) {
	g := k.group
	if len(peer) != g.size() {
		return nil, fmt.Errorf("public value of %d octets where the group has %d", len(peer), g.size())
	}
	y, err := bigmod.NewNat().SetBytes(peer, g.prime())
	if err != nil {
		return nil, errors.New("public value is not below the prime")
	}
	// 0, 1 and p-1 generate subgroups of order 1 and 2 (RFC 2412, appendix C).
	if y.IsZero()|y.IsOne()|y.IsMinusOne(g.prime()) != 0 {
		return nil, errors.New("public value generates a trivial subgroup")
	}
	return bigmod.NewNat().Exp(y, k.x, g.prime()).Bytes(g.prime()), nil
}

func (k *modpKey) clear() { clear(k.x) }
