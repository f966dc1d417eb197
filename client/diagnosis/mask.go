package diagnosis

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"os/user"
	"regexp"
	"slices"
	"strings"

	"postern/client/localapi"
)

// mask takes public addresses, names of hosts and names of users out of a report. The
// same thing has the same mask everywhere, so that a reader can follow it.
type mask struct {
	names  []maskedName // the longest first
	public map[netip.Addr]string
}

// nobodys are names that tell nothing, or are words too.
var nobodys = []string{"root", "nobody", "localhost"}

type maskedName struct{ name, mask string }

// newMask knows the names that may occur.
func newMask(s Subject, f *facts) *mask {
	m := &mask{public: map[netip.Addr]string{}}
	counts := map[string]int{}
	add := func(kind string, names ...string) {
		for _, n := range names {
			n = strings.Trim(n, ". ")
			known := slices.ContainsFunc(m.names, func(o maskedName) bool { return strings.EqualFold(o.name, n) })
			if _, err := netip.ParseAddr(n); len(n) < 2 || known || err == nil || slices.Contains(nobodys, n) {
				continue
			}
			counts[kind]++
			m.names = append(m.names, maskedName{n, fmt.Sprintf("%s-%d", kind, counts[kind])})
		}
	}
	for _, p := range s.Profiles {
		add("gateway", p.Gateway.Host)
		for _, g := range p.Backup {
			add("gateway", g.Host)
		}
		add("user", p.User)
		add("domain", p.Domain)
		add("domain", p.Search...)
		add("identity", p.Identity, p.GatewayIdentity)
	}
	if s.Snapshot != nil {
		for _, t := range s.Snapshot.Tunnels {
			m.addTunnel(add, t)
		}
	}
	for _, l := range f.resolver.links {
		add("domain", l.search...)
		add("domain", l.routing...)
	}
	add("domain", searched(f.resolver.text)...)
	if host, err := os.Hostname(); err == nil {
		add("host", host)
	}
	if u, err := user.Current(); err == nil {
		add("user", u.Username)
	}
	slices.SortStableFunc(m.names, func(a, b maskedName) int { return cmp.Compare(len(b.name), len(a.name)) })
	return m
}

func (m *mask) addTunnel(add func(string, ...string), t localapi.Tunnel) {
	add("user", t.Owner)
	if t.Gateway != nil {
		add("gateway", t.Gateway.Name)
	}
	if t.IKE != nil {
		add("identity", t.IKE.Peer, strings.TrimSpace(strings.Split(t.IKE.Peer, " (")[0]))
		if c := t.IKE.Certificate; c != nil {
			add("certificate", c.Subject, c.Issuer)
		}
	}
	if t.Tunnel != nil {
		add("domain", t.Tunnel.Domains...)
		add("banner", t.Tunnel.Banner)
	}
}

// searched are the domains of a resolv.conf(5).
func searched(text string) (domains []string) {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 1 && (f[0] == "search" || f[0] == "domain") {
			domains = append(domains, f[1:]...)
		}
	}
	return domains
}

// report masks a report in place.
func (m *mask) report(r *localapi.DoctorReport) {
	for i := range r.Checks {
		c := &r.Checks[i]
		c.Found, c.Advice = m.text(c.Found), m.text(c.Advice)
	}
	for i := range r.Sections {
		r.Sections[i].Text = m.text(r.Sections[i].Text)
	}
}

var address = regexp.MustCompile(`(?:[0-9a-fA-F]{0,4}:){2,7}(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]{0,4})|\d{1,3}(?:\.\d{1,3}){3}`)

// text masks a text.
func (m *mask) text(text string) string {
	for _, n := range m.names {
		text = replaceWord(text, n.name, n.mask)
	}
	return address.ReplaceAllStringFunc(text, func(found string) string {
		a, err := netip.ParseAddr(found)
		if err != nil || !isPublic(a) {
			return found
		}
		if m.public[a] == "" {
			m.public[a] = fmt.Sprintf("public-%d", len(m.public)+1)
		}
		return m.public[a]
	})
}

var sharedSpace = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598

// isPublic says whether an address tells who somebody is. In a link-local one of IPv6
// there may be a hardware address.
func isPublic(a netip.Addr) bool {
	a = a.Unmap()
	if a.Is6() && a.IsLinkLocalUnicast() {
		return true
	}
	return a.IsGlobalUnicast() && !a.IsPrivate() && !sharedSpace.Contains(a)
}

// replaceWord replaces a word, in any case, where it stands for itself.
func replaceWord(text, word, with string) string {
	lower, sought := strings.ToLower(text), strings.ToLower(word)
	if len(lower) != len(text) || len(sought) != len(word) {
		lower, sought = text, word // letters whose cases have different lengths
	}
	var b strings.Builder
	at := 0
	for {
		i := strings.Index(lower[at:], sought)
		if i < 0 {
			b.WriteString(text[at:])
			return b.String()
		}
		i += at
		end := i + len(word)
		b.WriteString(text[at:i])
		if i > 0 && partOfWord(text[i-1]) || end < len(text) && partOfWord(text[end]) {
			b.WriteString(text[i:end])
		} else {
			b.WriteString(with)
		}
		at = end
	}
}

func partOfWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= 0x80
}
