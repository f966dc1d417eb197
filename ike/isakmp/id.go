package isakmp

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// ID is the body of an identification payload: a peer's name in phase 1, a
// traffic selector in phase 2. RFC 2407, section 4.6.2
//
//	octet  0       ID type
//	octet  1       IP protocol, 0 for any
//	octets 2 to 3  port, 0 for any
//	octets 4…      identification data
//
// NAT-OA payloads have the same form. RFC 3947, section 5.2
type ID struct {
	Type     IDType
	Protocol uint8
	Port     uint16
	Data     []byte
}

// ParseID reads the body of an identification payload.
func ParseID(body []byte) (ID, error) {
	if len(body) < 4 {
		return ID{}, fmt.Errorf("ID payload: %d octets, 4 needed", len(body))
	}
	return ID{
		Type:     IDType(body[0]),
		Protocol: body[1],
		Port:     binary.BigEndian.Uint16(body[2:]),
		Data:     body[4:],
	}, nil
}

// Marshal returns the body of the identification payload.
func (id ID) Marshal() []byte {
	b := []byte{byte(id.Type), id.Protocol}
	b = binary.BigEndian.AppendUint16(b, id.Port)
	return append(b, id.Data...)
}

// AddressID returns the ID of one address, for any protocol and port.
func AddressID(a netip.Addr) ID {
	a = a.Unmap()
	if a.Is4() {
		return ID{Type: IDIPv4Addr, Data: a.AsSlice()}
	}
	return ID{Type: IDIPv6Addr, Data: a.AsSlice()}
}

// SubnetID returns the ID of a network, for any protocol and port.
func SubnetID(p netip.Prefix) ID {
	p = p.Masked()
	data := p.Addr().AsSlice()
	mask := make([]byte, len(data))
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	if p.Addr().Is4() {
		return ID{Type: IDIPv4Subnet, Data: append(data, mask...)}
	}
	return ID{Type: IDIPv6Subnet, Data: append(data, mask...)}
}

// Prefix returns the network of an address, subnet or range, and false for
// another ID or a range that is no network.
func (id ID) Prefix() (netip.Prefix, bool) {
	var half int
	switch id.Type {
	case IDIPv4Addr, IDIPv6Addr:
		a, ok := netip.AddrFromSlice(id.Data)
		if !ok || a.Is4() != (id.Type == IDIPv4Addr) {
			return netip.Prefix{}, false
		}
		return netip.PrefixFrom(a, a.BitLen()), true
	case IDIPv4Subnet, IDIPv4Range:
		half = 4
	case IDIPv6Subnet, IDIPv6Range:
		half = 16
	}
	if half == 0 || len(id.Data) != 2*half {
		return netip.Prefix{}, false
	}
	first, second := id.Data[:half], id.Data[half:]
	a, _ := netip.AddrFromSlice(first)
	for bits := 0; bits <= 8*half; bits++ {
		p := SubnetID(netip.PrefixFrom(a, bits))
		mask := p.Data[half:]
		match := true
		for i := range half {
			want := mask[i]
			if id.Type == IDIPv4Range || id.Type == IDIPv6Range {
				want = first[i] | ^mask[i]
				match = match && first[i]&^mask[i] == 0
			}
			match = match && second[i] == want
		}
		if match {
			return netip.PrefixFrom(a, bits).Masked(), true
		}
	}
	return netip.Prefix{}, false
}
