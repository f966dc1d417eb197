package hostnet

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The parts of rules, as nft(8) has them. Each loads something into register 1 and compares it.

// pass and drop end the chain.
var (
	pass = []expr.Any{&expr.Verdict{Kind: expr.VerdictAccept}}
	drop = []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}}
)

// jump goes through another chain, and comes back.
func jump(chain string) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: chain}}
}

func is(load expr.Any, value []byte) []expr.Any {
	return []expr.Any{load, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: value}}
}

// leavesBy is "oifname NAME".
func leavesBy(name string) []expr.Any {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return is(&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, padded)
}

// family is "meta nfproto".
func family(proto byte) []expr.Any {
	return is(&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, []byte{proto})
}

// protocol is "meta l4proto": behind IPv6's extension headers.
func protocol(number byte) []expr.Any {
	return is(&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, []byte{number})
}

// destination loads the destination address of that family.
func destination(proto byte) []expr.Any {
	load := &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: 16, Len: 4}
	if proto == unix.NFPROTO_IPV6 {
		load.Offset, load.Len = 24, 16
	}
	return []expr.Any{load}
}

// toAddress is "ip daddr" or "ip6 daddr".
func toAddress(a netip.Addr) []expr.Any {
	proto := byte(unix.NFPROTO_IPV4)
	if a.Is6() {
		proto = unix.NFPROTO_IPV6
	}
	return append(family(proto), is(destination(proto)[0], a.AsSlice())...)
}

// transport is "@th": octets of the transport header.
func transport(offset uint32, value []byte) []expr.Any {
	return is(&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: uint32(len(value))}, value)
}

// transportFold is transport for a value of any length, without regard to the case of letters: the bit that the cases
// differ in is cleared. That makes some other octets equal, too, which no name that is asked for has.
func transportFold(offset uint32, value []byte) (parts []expr.Any) {
	const caseBit = 'a' - 'A'
	const atOnce = 16 // octets: as many as an expression's constant has
	for piece := range slices.Chunk(value, atOnce) {
		size := uint32(len(piece))
		folded := bytes.Clone(piece)
		for i := range folded {
			folded[i] &^= caseBit
		}
		parts = append(parts,
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: size},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: size, Mask: bytes.Repeat([]byte{^byte(caseBit)}, int(size)), Xor: make([]byte, size)},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: folded})
		offset += size
	}
	return parts
}

// fromPort and toPort are "th sport" and "th dport"; the protocol has ports.
func fromPort(port uint16) []expr.Any { return transport(0, binary.BigEndian.AppendUint16(nil, port)) }
func toPort(port uint16) []expr.Any   { return transport(2, binary.BigEndian.AppendUint16(nil, port)) }
