package hostnet

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// planDNS chooses who is told of the tunnel's name servers: systemd-resolved when it runs and the host's programs ask it,
// else the program resolvconf, else resolv.conf itself. Only the first one can send some domains to the tunnel's servers
// and leave the others where they are.
func (h *host) planDNS(ctx context.Context, c Config, index int, a *Applied, old *record) ([]step, error) {
	if len(c.DNS)+len(c.Search)+len(c.SplitDNS) == 0 {
		return nil, nil
	}
	target, before, err := readResolvConf(h.resolvConf)
	if err != nil {
		return nil, err
	}
	if asksResolved(target, before) && h.resolvedRuns(ctx) {
		a.resolver = "systemd-resolved"
		return []step{{Resolved: &resolvedStep{Link: index, DNS: c.DNS, Search: c.Search, Split: c.SplitDNS}}}, nil
	}
	if len(c.SplitDNS) > 0 && len(c.DNS) > 0 {
		a.warn("without systemd-resolved all names are asked of the tunnel's name servers, not those of %s alone",
			strings.Join(c.SplitDNS, ", "))
	}
	if h.resolvconf != "" {
		a.resolver = "resolvconf"
		return []step{{Resolvconf: &resolvconfStep{
			Program: h.resolvconf, Record: c.Interface + ".postern",
			Input: resolverLines(c.DNS, c.Search), Exclusive: len(c.SplitDNS) == 0,
		}}}, nil
	}
	a.resolver = h.resolvConf
	f, err := planFile(target, before, c)
	if err != nil {
		return nil, err
	}
	for _, o := range old.Steps {
		if o.File != nil {
			f = h.follow(f, o.File, c)
		}
	}
	return []step{{File: f}}, nil
}

// readResolvConf follows the links of the resolver's file and reads it; nil where it doesn't exist.
func readResolvConf(path string) (target string, content []byte, err error) {
	target = path
	for range 16 {
		to, err := os.Readlink(target)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(target), to)
		}
		target = to
	}
	content, err = os.ReadFile(target)
	if os.IsNotExist(err) {
		return target, nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("resolver's file: %w", err)
	}
	if content == nil {
		content = []byte{}
	}
	return target, content, nil
}

// asksResolved says whether this resolv.conf leads to systemd-resolved: it is one of that service's own files, or names
// its stub as a server (systemd-resolved.service(8), "/etc/resolv.conf").
func asksResolved(target string, content []byte) bool {
	if strings.HasPrefix(target, "/run/systemd/resolve/") || strings.HasPrefix(target, "/usr/lib/systemd/") {
		return true
	}
	for line := range strings.Lines(string(content)) {
		f := strings.Fields(line)
		if len(f) == 2 && f[0] == "nameserver" && (f[1] == "127.0.0.53" || f[1] == "127.0.0.54") {
			return true
		}
	}
	return false
}

// resolverLines writes servers and search list as resolv.conf(5) has them. Both are clean.
func resolverLines(servers []netip.Addr, search []string) string {
	var b strings.Builder
	if len(search) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(search, " "))
	}
	for _, a := range servers {
		fmt.Fprintf(&b, "nameserver %s\n", a)
	}
	return b.String()
}

// resolverFile is resolv.conf's text while the tunnel is up: our lines, and of the lines before those on other matters.
func resolverFile(before []byte, c Config) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by postern for %s. The file as it was comes back when the tunnel ends.\n", c.Interface)
	b.WriteString(resolverLines(c.DNS, c.Search))
	replaced := []string{}
	if len(c.DNS) > 0 {
		replaced = append(replaced, "nameserver")
	}
	if len(c.Search) > 0 {
		replaced = append(replaced, "search", "domain")
	}
	for line := range strings.Lines(string(before)) {
		f := strings.Fields(line)
		if len(f) > 1 && f[0][0] != '#' && f[0][0] != ';' && !slices.Contains(replaced, f[0]) {
			b.WriteString(strings.TrimRight(line, "\n") + "\n")
		}
	}
	return []byte(b.String())
}
