package hostnet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Chosen here: at most so many name servers, search domains, and split domains each. More is no configuration, and each
// ends in a file or a message that others must parse.
const maxNames = 64

// Clean returns c fit to be applied, and a sentence about each thing left out. Names, servers and networks may come from
// a gateway that isn't to be trusted with the host's files: what isn't a domain name never gets near one. Apply cleans
// what it is given by itself.
func (c Config) Clean() (Config, []string) {
	var warnings []string
	drop := func(what string, value any) {
		warnings = append(warnings, fmt.Sprintf("%s %.80q left out", what, fmt.Sprint(value)))
	}
	c.Search = cleanNames(c.Search, func(s string) { drop("search domain", s) })
	c.SplitDNS = cleanNames(c.SplitDNS, func(s string) { drop("split DNS domain", s) })
	var servers []netip.Addr
	for _, a := range c.DNS {
		a = a.Unmap()
		switch {
		case !a.IsValid() || a.Zone() != "" || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() || len(servers) == maxNames:
			drop("name server", a)
		case !slices.Contains(servers, a):
			servers = append(servers, a)
		}
	}
	c.DNS = servers
	var routes []netip.Prefix
	for _, p := range c.Routes {
		if !p.IsValid() || p.Addr().Unmap().IsLoopback() || p.Addr().Unmap().IsMulticast() {
			drop("network", p)
			continue
		}
		routes = append(routes, p)
	}
	c.Routes = tidy(routes)
	c.Exclude = tidy(c.Exclude)
	return c, warnings
}

// cleanNames returns the domain names among names, lower case, each once. A leading dot or "*." (as Cisco's and Check
// Point's administrators write split domains) and a closing dot are taken off.
func cleanNames(names []string, drop func(string)) []string {
	var out []string
	for _, s := range names {
		n := strings.TrimPrefix(strings.TrimPrefix(s, "*"), ".")
		n = strings.ToLower(strings.TrimSuffix(n, "."))
		switch {
		case !isDomain(n) || len(out) == maxNames:
			drop(s)
		case !slices.Contains(out, n):
			out = append(out, n)
		}
	}
	return out
}

// isDomain says whether s is a domain name as hosts have them: labels of letters, digits, hyphens and, for services and
// Windows, underscores (RFC 1123, section 2.1; lengths: RFC 1035, section 2.3.4), and no address.
func isDomain(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}
