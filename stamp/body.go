package stamp

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"postern/ike/isakmp"
)

// Chosen here: the body of each private payload is
//
//	octet  0       version, 1
//	octet  1       kind
//	octets 2 to 3  reserved: sent zero, ignored
//	octets 4…      data attributes (RFC 2408, section 3.3)
//
// Numbers up to 16 bits are in the short form, all else in the long one; the
// other form is refused. Unknown attributes are skipped. What stands twice and
// isn't a list's is refused.
const bodyHeader = 4

// appendHeader begins a body.
func appendHeader(kind uint8) []byte { return []byte{bodyVersion, kind, 0, 0} }

// kindOf reads the header of a body.
func kindOf(b []byte) (kind uint8, attributes []byte, err error) {
	switch {
	case len(b) < bodyHeader:
		return 0, nil, fmt.Errorf("a body of %d octets", len(b))
	case b[0] != bodyVersion:
		return 0, nil, fmt.Errorf("version %d", b[0])
	}
	return b[1], b[bodyHeader:], nil
}

// reader reads attributes, each by the function that its type has.
type reader struct {
	seen map[uint16]bool
}

// field is how one type of attribute is read. A list's may stand more than once.
type field struct {
	list bool
	read func(isakmp.Attribute) error
}

// read gives each attribute to its field.
func (r *reader) read(b []byte, fields map[uint16]field) ([]isakmp.Attribute, error) {
	as, err := isakmp.ParseAttributes(b)
	if err != nil {
		return nil, err
	}
	r.seen = make(map[uint16]bool)
	for _, a := range as {
		f, known := fields[a.Type]
		switch {
		case !known:
			continue
		case r.seen[a.Type] && !f.list:
			return nil, fmt.Errorf("attribute %d stands twice", a.Type)
		}
		r.seen[a.Type] = true
		if err := f.read(a); err != nil {
			return nil, fmt.Errorf("attribute %d: %w", a.Type, err)
		}
	}
	return as, nil
}

// need says which of the types is missing.
func (r *reader) need(types ...uint16) error {
	for _, t := range types {
		if !r.seen[t] {
			return fmt.Errorf("attribute %d is missing", t)
		}
	}
	return nil
}

// isLast says whether the attribute of type t ends the body, with nothing behind
// it. Only there does it cover everything.
func isLast(as []isakmp.Attribute, t uint16, body []byte) bool {
	n := len(as)
	if n == 0 || as[n-1].Type != t || as[n-1].Basic {
		return false
	}
	size := bodyHeader
	for _, a := range as {
		size += 4
		if !a.Basic {
			size += len(a.Value)
		}
	}
	return size == len(body)
}

// number reads a number from least to most.
func number[T ~uint8 | ~uint16](to *T, least, most uint16) field {
	return field{read: func(a isakmp.Attribute) error {
		if !a.Basic {
			return errors.New("a number in the long form")
		}
		v, _ := a.Uint()
		if v < uint64(least) || v > uint64(most) {
			return fmt.Errorf("%d isn't from %d to %d", v, least, most)
		}
		*to = T(v)
		return nil
	}}
}

// flag reads 0 or 1.
func flag(to *bool) field {
	var v uint8
	f := number(&v, 0, 1)
	return field{read: func(a isakmp.Attribute) error {
		err := f.read(a)
		*to = v == 1
		return err
	}}
}

// octets reads least to most octets.
func octets(to *[]byte, least, most int) field {
	return field{read: func(a isakmp.Attribute) error {
		if a.Basic {
			return errors.New("octets in the short form")
		}
		if n := len(a.Value); n < least || n > most {
			return fmt.Errorf("%d octets, where %d to %d are wanted", n, least, most)
		}
		*to = a.Value
		return nil
	}}
}

// text reads UTF-8 without control characters.
func text(to *string, most int) field {
	var b []byte
	f := octets(&b, 0, most)
	return field{read: func(a isakmp.Attribute) error {
		if err := f.read(a); err != nil {
			return err
		}
		*to = string(b)
		return checkText(*to, most)
	}}
}

// checkText is what text refuses.
func checkText(s string, most int) error {
	switch {
	case len(s) > most:
		return fmt.Errorf("text of %d octets", len(s))
	case !utf8.ValidString(s):
		return errors.New("text that isn't UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		return errors.New("text with control characters")
	}
	return nil
}

// list reads one more value of a list, up to the most that may be.
func list[T any](to *[]T, most int, one func(*T) field) field {
	return field{list: true, read: func(a isakmp.Attribute) error {
		if len(*to) == most {
			return fmt.Errorf("more than %d", most)
		}
		var v T
		if err := one(&v).read(a); err != nil {
			return err
		}
		*to = append(*to, v)
		return nil
	}}
}

// host reads an IPv4 or IPv6 address of a host.
func host(to *netip.Addr) field {
	var b []byte
	f := octets(&b, 4, 16)
	return field{read: func(a isakmp.Attribute) error {
		if err := f.read(a); err != nil {
			return err
		}
		addr, ok := netip.AddrFromSlice(b)
		if !ok || addr.IsUnspecified() || addr.IsMulticast() || addr.IsLoopback() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
			return errors.New("no address of a host")
		}
		*to = addr
		return nil
	}}
}

// network reads an IPv4 address and its mask, whose set bits come first.
func network(to *netip.Prefix) field {
	var b []byte
	f := octets(&b, 8, 8)
	return field{read: func(a isakmp.Attribute) error {
		if err := f.read(a); err != nil {
			return err
		}
		n, err := maskLength(b[4:])
		if err != nil {
			return err
		}
		addr, _ := netip.AddrFromSlice(b[:4])
		if n > 0 && (addr.IsMulticast() || addr.IsLoopback()) {
			return errors.New("no network of hosts elsewhere")
		}
		*to = netip.PrefixFrom(addr, n).Masked()
		return nil
	}}
}

// mask reads an IPv4 netmask.
func mask(to *int) field {
	var b []byte
	f := octets(&b, 4, 4)
	return field{read: func(a isakmp.Attribute) (err error) {
		if err = f.read(a); err == nil {
			*to, err = maskLength(b)
		}
		return err
	}}
}

func maskLength(b []byte) (int, error) {
	for n := 0; n <= 32; n++ {
		if string(b) == string(maskOf(n)) {
			return n, nil
		}
	}
	return 0, errors.New("the mask has holes")
}

// maskOf is the mask of an IPv4 prefix.
func maskOf(n int) []byte {
	m := ^uint32(0) << (32 - n)
	return []byte{byte(m >> 24), byte(m >> 16), byte(m >> 8), byte(m)}
}

// domain reads a name of the DNS, fit for a resolver's file.
func domain(to *string) field {
	f := text(to, 253)
	return field{read: func(a isakmp.Attribute) error {
		if err := f.read(a); err != nil {
			return err
		}
		if !isDomain(*to) {
			return errors.New("no domain name")
		}
		return nil
	}}
}

func isDomain(s string) bool {
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// flagValue is 0 or 1.
func flagValue(b bool) uint16 {
	if b {
		return 1
	}
	return 0
}
