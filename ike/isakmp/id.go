package isakmp

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"
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
	a := p.Addr()
	data := append(a.AsSlice(), net.CIDRMask(p.Bits(), a.BitLen())...)
	if a.Is4() {
		return ID{Type: IDIPv4Subnet, Data: data}
	}
	return ID{Type: IDIPv6Subnet, Data: data}
}

// Prefix returns the network of an address, subnet or range, and false for
// other types, a wrong length, a mask with holes, and a range that is no
// network.
func (id ID) Prefix() (netip.Prefix, bool) {
	size := id.addressLen()
	switch {
	case size == 0:
		return netip.Prefix{}, false
	case id.isAddress():
		return netip.PrefixFrom(addr(id.Data), 8*size), true
	}
	first, mask := id.Data[:size], net.IPMask(id.Data[size:])
	if id.isRange() { // the bits in which first and last differ are the host's
		last := id.Data[size:]
		mask = make(net.IPMask, size)
		for i := range mask {
			mask[i] = ^(first[i] ^ last[i])
		}
	}
	ones, bits := mask.Size()
	if bits == 0 {
		return netip.Prefix{}, false
	}
	p := netip.PrefixFrom(addr(first), ones).Masked()
	return p, !id.isRange() || p.Addr() == addr(first)
}

// addressLen returns the length of each address in Data in octets: 4 or 16, or
// 0 where Data isn't what a type of addresses needs.
func (id ID) addressLen() int {
	size := 0
	switch id.Type {
	case IDIPv4Addr, IDIPv4Subnet, IDIPv4Range:
		size = 4
	case IDIPv6Addr, IDIPv6Subnet, IDIPv6Range:
		size = 16
	}
	if id.isAddress() && len(id.Data) == size || !id.isAddress() && len(id.Data) == 2*size {
		return size
	}
	return 0
}

func (id ID) isAddress() bool { return id.Type == IDIPv4Addr || id.Type == IDIPv6Addr }

func (id ID) isRange() bool { return id.Type == IDIPv4Range || id.Type == IDIPv6Range }

// addr returns the address in b, which has 4 or 16 octets.
func addr(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

// String returns the ID for a person: "10.0.0.0/24", "192.0.2.1[17/500]" with
// protocol and port where it has them, "staff (KEY_ID)". What doesn't print is
// in hexadecimal, and nothing is longer than 255 octets of the peer's.
func (id ID) String() string {
	size := id.addressLen()
	if size == 0 {
		return fmt.Sprintf("%s (%s)", id.name(), strings.TrimPrefix(id.Type.String(), "ID_"))
	}
	var s string
	if p, ok := id.Prefix(); ok && !id.isAddress() {
		s = p.String()
	} else if s = addr(id.Data[:size]).String(); id.isRange() {
		s += "-" + addr(id.Data[size:]).String()
	} else if !id.isAddress() {
		s += "/" + addr(id.Data[size:]).String()
	}
	if id.Protocol != 0 || id.Port != 0 {
		s += fmt.Sprintf("[%d/%d]", id.Protocol, id.Port)
	}
	return s
}

// maxName is how many octets of a name String shows. RFC 1035, section 2.3.4:
// no domain name is longer
const maxName = 255

// name returns Data as text where it is text, else in hexadecimal.
func (id ID) name() string {
	switch {
	case len(id.Data) == 0:
		return "nothing"
	case id.Type == IDFQDN, id.Type == IDUserFQDN, id.Type == IDKeyID:
		if printable(string(id.Data)) {
			return string(id.Data)
		}
	case id.Type == IDDERASN1DN:
		if s := distinguishedName(id.Data); printable(s) {
			return s
		}
	}
	if len(id.Data) > maxName {
		return fmt.Sprintf("0x%x…", id.Data[:maxName])
	}
	return fmt.Sprintf("0x%x", id.Data)
}

// distinguishedName returns an X.501 name as RFC 2253 writes it, "" where der
// is none.
func distinguishedName(der []byte) string {
	var name pkix.RDNSequence
	if len(der) > 4*maxName {
		return ""
	}
	if rest, err := asn1.Unmarshal(der, &name); err != nil || len(rest) > 0 {
		return ""
	}
	return name.String()
}

// printable says that s may stand in a log as it is.
func printable(s string) bool {
	notPrint := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, notPrint)
}
