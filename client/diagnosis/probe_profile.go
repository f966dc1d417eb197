package diagnosis

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/client/profile"
	"postern/ike"
)

// maxSuggested is how many proposals a profile is given.
const maxSuggested = 4

// vendorKeys are products of package ike and what profiles call them. Unity is left
// out: it is what others than Cisco speak too.
var vendorKeys = map[string]string{
	"Cisco VPN 3000": "cisco", "Cisco IOS": "cisco", "Check Point": "checkpoint",
	"NetScreen": "netscreen", "FortiGate": "fortigate", "SonicWall": "sonicwall", "Nortel Contivity": "nortel",
}

// profileLines are the lines of a profile that fit what was answered; "" where
// nothing was accepted. What postern doesn't know how to read isn't in them.
func (p *prober) profileLines(f ike.Features) string {
	// Main Mode is often answered whoever asks; Aggressive Mode because the identity is
	// known.
	m, line := &p.aggressive, "mode = \"aggressive\""
	switch {
	case len(p.main.accepted) == 0 && len(m.accepted) == 0:
		return ""
	case len(m.accepted) == 0:
		m, line = &p.main, "mode = \"main\""
	case len(p.main.accepted) > 0:
		line += " # \"main\", if that works, shows nobody a hash of the key"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "gateway = %q\n%s\n", p.report.Host, line)
	if len(p.identities) > 0 {
		// In Main Mode it wasn't tried.
		id := m.id
		if id.Type == 0 {
			id = p.identities[0]
		}
		fmt.Fprintf(&b, "identity = %s\n", quote(string(id.Data)))
		for name, t := range identityTypes {
			if t == id.Type {
				fmt.Fprintf(&b, "identity_type = %q\n", name)
			}
		}
	}
	chosen := m.preferred()
	fmt.Fprintf(&b, "auth = %q\nxauth = %v\n", chosen.auth, chosen.xauth)
	if chosen.auth.WantsKey() {
		b.WriteString("certificate = \"mine.p12\" # the file with your certificate and key\n")
	}
	if chosen.auth.Encrypts() {
		b.WriteString("gateway_certificate = \"gateway.pem\" # the gateway's, which its administrator has\n")
	}
	b.WriteString(m.ikeLines())
	for _, product := range f.Products {
		if key := vendorKeys[product]; key != "" && parses(p.report.Host, key) {
			fmt.Fprintf(&b, "vendor = %q\n", key)
			break
		}
	}
	if len(f.NATTraversal) == 0 {
		b.WriteString("nat_traversal = \"auto\" # the gateway announces none\n")
	} else {
		fmt.Fprintf(&b, "nat_traversal = \"auto\" # %s\n", f.NATTraversal[0])
	}
	if life := m.shortest(); life > 0 && life < offeredLife && life >= 10*time.Second {
		fmt.Fprintf(&b, "\n[lifetime]\nike = %q\n", life.String())
	}
	return b.String()
}

// ikeLines are the proposals: those without a known weakness, or if there are none
// those with, each with what is weak about it.
func (m *mode) ikeLines() string {
	ps := m.proposals()
	strongestFirst(ps)
	if m.id.Type != 0 { // Aggressive Mode: one group
		ps = inGroup(ps, ps[0].Group)
	}
	if sound := slices.DeleteFunc(slices.Clone(ps), func(q ike.Proposal) bool { return len(weaknesses(q)) > 0 }); len(sound) > 0 {
		ps = sound
	}
	ps = ps[:min(len(ps), maxSuggested)]
	var b strings.Builder
	b.WriteString("ike = [\n")
	for _, q := range ps {
		fmt.Fprintf(&b, "  %q,", q.String())
		if weak := weaknesses(q); len(weak) > 0 {
			fmt.Fprintf(&b, " # weak: %s", strings.Join(weak, " "))
		}
		b.WriteString("\n")
	}
	b.WriteString("]\n")
	return b.String()
}

// preferred is the method that postern would use.
func (m *mode) preferred() method {
	for _, known := range methods {
		if slices.Contains(m.methods, known.number) {
			return known
		}
	}
	return methods[0]
}

// shortest is the shortest life time in an answer, 0 if none was stated.
func (m *mode) shortest() (life time.Duration) {
	for _, c := range m.accepted {
		if c.Life > 0 && (life == 0 || c.Life < life) {
			life = c.Life
		}
	}
	return life
}

// parses says whether profiles know the vendor.
func parses(host, vendor string) bool {
	_, err := profile.Parse(fmt.Appendf(nil, "gateway = %q\nvendor = %q\n", host, vendor), "probe")
	return err == nil
}

// quote writes a TOML string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteString(`\` + string(r))
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
