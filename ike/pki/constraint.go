package pki

import (
	"crypto/x509"
	"net"
	"slices"
	"strings"
)

// checkConstraints holds every certificate of a chain, the peer's first, to the name
// constraints of those above it (RFC 5280, section 4.2.1.10).
func checkConstraints(chain []*x509.Certificate) *Error {
	for i, authority := range chain {
		for _, c := range chain[:i] {
			if name := outside(authority, c); name != "" {
				return fault(Constrained, c, "names %q, for which %s may not vouch (name constraints)", printable(name), Owner(authority))
			}
		}
	}
	return nil
}

// outside is a name in c that the authority's constraints exclude; "": none. The
// common name counts where it may be taken for a host's.
func outside(authority, c *x509.Certificate) string {
	hosts := c.DNSNames
	if cn := commonName(c); cn != "" && !c.IsCA && net.ParseIP(cn) == nil {
		hosts = []string{cn}
	}
	for _, h := range hosts {
		if !allowed(h, authority.PermittedDNSDomains, authority.ExcludedDNSDomains, underDomain) {
			return h
		}
	}
	for _, e := range c.EmailAddresses {
		if !allowed(e, authority.PermittedEmailAddresses, authority.ExcludedEmailAddresses, underMailbox) {
			return e
		}
	}
	for _, u := range c.URIs {
		if !allowed(u.Hostname(), authority.PermittedURIDomains, authority.ExcludedURIDomains, underExactDomain) {
			return u.String()
		}
	}
	addresses := c.IPAddresses
	if ip := net.ParseIP(commonName(c)); ip != nil && !c.IsCA {
		addresses = []net.IP{ip}
	}
	for _, ip := range addresses {
		if !allowed(ip, authority.PermittedIPRanges, authority.ExcludedIPRanges, func(ip net.IP, n *net.IPNet) bool { return n.Contains(ip) }) {
			return ip.String()
		}
	}
	return ""
}

// allowed says whether a name is under one of the permitted trees, if there are any,
// and under none of the excluded.
func allowed[N, T any](name N, permitted, excluded []T, under func(N, T) bool) bool {
	in := func(tree T) bool { return under(name, tree) }
	return (len(permitted) == 0 || slices.ContainsFunc(permitted, in)) && !slices.ContainsFunc(excluded, in)
}

// underDomain: "Any DNS name that can be constructed by simply adding zero or more
// labels to the left-hand side of the name satisfies the name constraint."
func underDomain(host, domain string) bool {
	host, domain = strings.ToLower(strings.TrimSuffix(host, ".")), strings.ToLower(domain)
	if domain == "" {
		return true
	}
	if strings.HasPrefix(domain, ".") {
		return strings.HasSuffix(host, domain)
	}
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// underExactDomain: "When the constraint begins with a period, it MAY be expanded with
// one or more labels"; otherwise it names one host.
func underExactDomain(host, domain string) bool {
	if strings.HasPrefix(domain, ".") {
		return underDomain(host, domain)
	}
	return domain == "" || strings.EqualFold(host, domain)
}

// underMailbox: a mailbox, all mailboxes of a host, or those of a domain's hosts.
func underMailbox(mailbox, tree string) bool {
	if strings.Contains(tree, "@") {
		return sameMailbox(mailbox, tree)
	}
	_, host, _ := strings.Cut(mailbox, "@")
	if i := strings.LastIndexByte(mailbox, '@'); i >= 0 {
		host = mailbox[i+1:]
	}
	return underExactDomain(host, tree)
}
