package pki

import (
	"bytes"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// Name is what a gateway or a person may be called in a certificate: a host's name,
// an address, an e-mail address or a distinguished name.
type Name struct {
	text string // of a host, an e-mail address
	addr netip.Addr
	der  []byte // a distinguished name
	dn   []attribute
}

// Host is the name of a host.
func Host(name string) Name { return Name{text: strings.TrimSuffix(name, ".")} }

// Address is an IP address.
func Address(a netip.Addr) Name { return Name{addr: a.Unmap()} }

// DN is a distinguished name, DER encoded.
func DN(der []byte) Name { return Name{der: der} }

// ParseName takes what a person wrote: an address, user@host, a distinguished name
// as "C=CH, O=Example, CN=gw" in this order or the other, or else a host's name.
func ParseName(s string) Name {
	if a, err := netip.ParseAddr(s); err == nil {
		return Address(a)
	}
	if strings.Contains(s, "=") {
		if dn, err := parseDN(s); err == nil {
			return Name{dn: dn}
		}
	}
	return Host(s)
}

// In says whether the certificate vouches for the name. Without any alternative name
// a host's may be the common name.
func (n Name) In(c *x509.Certificate) bool {
	switch {
	case n.addr.IsValid():
		return slices.ContainsFunc(c.IPAddresses, func(ip net.IP) bool {
			a, ok := netip.AddrFromSlice(ip)
			return ok && a.Unmap() == n.addr
		}) || commonName(c) == n.addr.String()
	case n.der != nil:
		return len(n.der) > 0 && (bytes.Equal(n.der, c.RawSubject) || sameDN(n.der, c.RawSubject))
	case n.dn != nil:
		return isDN(c.RawSubject, n.dn)
	case n.text == "":
		return false
	case strings.Contains(n.text, "@"):
		return slices.ContainsFunc(c.EmailAddresses, func(e string) bool { return sameMailbox(e, n.text) })
	}
	return c.VerifyHostname(n.text) == nil || commonName(c) != "" && strings.EqualFold(commonName(c), n.text)
}

// commonName is the subject's where it counts as a host's name: in a certificate
// without alternative names (RFC 6125, section 6.4.4).
func commonName(c *x509.Certificate) string {
	if len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses)+len(c.URIs) > 0 {
		return ""
	}
	return strings.TrimSuffix(c.Subject.CommonName, ".")
}

// sameMailbox compares e-mail addresses: the part before the @ letter by letter, the
// host in any case.
func sameMailbox(a, b string) bool {
	i, j := strings.LastIndexByte(a, '@'), strings.LastIndexByte(b, '@')
	return i >= 0 && j >= 0 && a[:i] == b[:j] && strings.EqualFold(a[i:], b[j:])
}

// Names are all that a certificate calls its owner, for a person to read.
func Names(c *x509.Certificate) []string {
	names := slices.Concat(c.DNSNames, c.EmailAddresses)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if dn := Subject(c); dn != "" {
		names = append(names, dn)
	}
	for i := range names {
		names[i] = printable(names[i])
	}
	return names
}

// Owner is what a certificate calls its owner, in short.
func Owner(c *x509.Certificate) string {
	if dn := Subject(c); dn != "" {
		return dn
	}
	if names := Names(c); len(names) > 0 {
		return names[0]
	}
	return "nobody"
}

// Subject is the distinguished name of a certificate's owner, "CN=gw,O=Example"
// (RFC 2253).
func Subject(c *x509.Certificate) string { return printable(c.Subject.String()) }

// Issuer is that of the authority which made the certificate.
func Issuer(c *x509.Certificate) string { return printable(c.Issuer.String()) }

// printable makes text of a certificate fit to be shown on a terminal.
func printable(s string) string {
	const most = 200
	runes := []rune(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0xfffd {
			return '?'
		}
		return r
	}, s))
	if len(runes) > most {
		runes = append(runes[:most], '…')
	}
	return string(runes)
}
