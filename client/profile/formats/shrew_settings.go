package formats

import (
	"slices"
	"strings"
)

// What Shrew Soft's client lets a person choose beside the method: algorithms, NAT,
// addresses, names and networks.

// ciphersOf are the ciphers of a choice. Blowfish and CAST aren't known here.
func (s *shrewReader) ciphersOf(a at, choice, bits string) []string {
	aes := []string{"aes256", "aes192", "aes128"}
	switch strings.TrimPrefix(choice, "esp-") {
	case "aes":
		if slices.Contains(aes, "aes"+bits) {
			return []string{"aes" + bits}
		}
		return aes
	case "3des", "des":
		return []string{strings.TrimPrefix(choice, "esp-")}
	case "", "auto":
		s.guessed(a, "The choice was left to Shrew Soft's client; the profile has what it offered, without Blowfish and CAST.")
	default:
		s.warn(a, quoted(choice)+" isn't possible here; the profile has what else Shrew Soft's client offered")
	}
	return append(aes, "3des", "des")
}

// hashesOf are the hashes of a choice; auto are those of "auto".
func (s *shrewReader) hashesOf(a at, choice string, auto []string) []string {
	switch choice {
	case "", "auto":
		return auto
	case "md5", "sha1":
		return []string{choice}
	case "sha2-256", "sha2-384", "sha2-512":
		return []string{"sha" + strings.TrimPrefix(choice, "sha2-")}
	}
	s.warn(a, quoted(choice)+" isn't known; the profile has what else Shrew Soft's client offered")
	return auto
}

func (s *shrewReader) phase1() {
	in := s.in
	switch mode := in.get("phase1-exchange"); mode {
	case "main", "aggressive":
		s.set(in.at("phase1-exchange"), "mode", mode)
	case "":
	default:
		s.warn(in.at("phase1-exchange"), quoted(mode)+" isn't known; main is taken")
	}
	written, a := in.get("phase1-dhgroup"), in.at("phase1-dhgroup")
	offeredGroups := []string{groupNumbers[written]}
	switch {
	case groupNumbers[written] != "":
	case s.text("mode") == "aggressive":
		offeredGroups = []string{"modp1024"}
		s.guessed(a, "Aggressive Mode can offer one group only; the profile has MODP1024, as gateways of that age want it.")
	default:
		offeredGroups = []string{"modp2048", "modp1536", "modp1024"}
		s.guessed(a, "The choice was left to Shrew Soft's client; the profile has the groups 14, 5 and 2, which it offered.")
	}
	ciphers := s.ciphersOf(in.at("phase1-cipher"), in.get("phase1-cipher"), in.get("phase1-keylen"))
	hashes := s.hashesOf(in.at("phase1-hash"), in.get("phase1-hash"), shaOrMD5)
	s.set(in.at("phase1-cipher"), "ike", offered(ciphers, hashes, offeredGroups))
	s.lifetime("phase1-life-secs", "lifetime.ike")
	if in.get("network-dpd-enable") == "0" {
		s.set(in.at("network-dpd-enable"), "dpd", "off")
	}
}

func (s *shrewReader) lifetime(from, to string) {
	if v := s.in.get(from); v != "" {
		s.seconds(s.in.at(from), to, v)
	}
}

func (s *shrewReader) phase2() {
	in := s.in
	ciphers := s.ciphersOf(in.at("phase2-transform"), in.get("phase2-transform"), in.get("phase2-keylen"))
	hashes := s.hashesOf(in.at("phase2-hmac"), in.get("phase2-hmac"), []string{"sha1", "md5", "sha256", "sha384", "sha512"})
	s.set(in.at("phase2-transform"), "esp", offered(ciphers, hashes, nil))
	switch pfs, a := in.get("phase2-pfsgroup"), in.at("phase2-pfsgroup"); {
	case pfs == "0":
		s.set(a, "pfs", "auto")
	case groupNumbers[pfs] != "":
		s.set(a, "pfs", groupNumbers[pfs])
	case pfs != "" && pfs != "-1":
		s.warn(a, quoted(pfs)+" is no group that is known; none is taken")
	}
	s.lifetime("phase2-life-secs", "lifetime.esp")
	if c := in.get("ipcomp-transform"); c != "" && c != "none" && c != "disabled" {
		s.warn(in.at("ipcomp-transform"), "compression isn't possible here")
	}
}

func (s *shrewReader) natTraversal() {
	a := s.in.at("network-natt-mode")
	switch mode := s.in.get("network-natt-mode"); mode {
	case "", "enable":
	case "disable":
		s.set(a, "nat_traversal", "off")
	case "force", "force-rfc", "force-draft":
		s.set(a, "nat_traversal", "force")
	case "force-cisco-udp":
		s.set(a, "nat_traversal", "force")
		s.guessed(a, "UDP encapsulation is that of RFC 3947 and its drafts in place of Cisco's own.")
	default:
		s.warn(a, quoted(mode)+" isn't known; auto is taken")
	}
	if port := s.in.get("network-natt-port"); port != "" && port != "4500" {
		s.warn(s.in.at("network-natt-port"), "only port 4500 is possible")
	}
}

// assigned reads where our address comes from.
func (s *shrewReader) assigned() {
	in := s.in
	a, mode := in.at("client-auto-mode"), in.get("client-auto-mode")
	address, iface := in.get("client-ip-addr"), in.get("client-iface")
	own := in.get("client-addr-auto") == "0" || mode == "disabled"
	switch {
	case mode == "dhcp":
		s.warn(a, "DHCP over IPsec isn't possible here: Mode Config is asked for, which the gateway may not have")
	case iface == "direct":
		s.warn(in.at("client-iface"), "a tunnel without an address of its own isn't possible here: Mode Config is asked for, or set address")
	case iface == "random" && address != "":
		s.warn(in.at("client-iface"), "the address isn't made at random here: Mode Config is asked for, or set address")
	case own && address != "":
		s.set(in.at("client-ip-addr"), "address", address)
	case mode == "push":
		s.guessed(a, "The gateway pushes an address, which is waited for from some vendors only: set vendor where that fails.")
	}
	if mtu := in.get("network-mtu-size"); mtu != "" {
		s.number(in.at("network-mtu-size"), "mtu", mtu)
	}
}

// names reads what is about DNS.
func (s *shrewReader) names() {
	in := s.in
	used := in.get("client-dns-used", "client-dns-enable") // the latter in version 2.1
	if used == "0" {
		s.set(in.at("client-dns-used", "client-dns-enable"), "dns", false)
	}
	servers, suffix, domains := in.get("client-dns-addr"), in.get("client-dns-suffix"), in.get("client-splitdns-list")
	if in.get("client-dns-auto") == "0" && servers != "" && used != "0" {
		s.set(in.at("client-dns-addr"), "dns_servers", split(servers, ","))
	}
	var search []string
	if in.get("client-dns-suffix-auto") == "0" && suffix != "" {
		search = split(suffix, ",")
	}
	if in.get("client-splitdns-used") != "0" && in.get("client-splitdns-auto") == "0" && domains != "" {
		search = append(search, split(domains, ",")...)
		s.guessed(in.at("client-splitdns-list"), "The domains of split DNS are in search.")
	}
	if len(search) > 0 && used != "0" {
		s.set(in.at("client-dns-suffix", "client-splitdns-list"), "search", search)
	}
}

// policy reads what goes through the tunnel.
func (s *shrewReader) policy() {
	in := s.in
	include, exclude := in.get("policy-list-include"), in.get("policy-list-exclude")
	if in.get("policy-list-auto") == "0" {
		s.set(in.at("policy-list-auto"), "default_route", include == "")
		s.networks(in.at("policy-list-include"), split(include, ","))
		if !s.has("networks") {
			s.set(in.at("policy-list-auto"), "default_route", true)
		}
		s.prefixes(in.at("policy-list-exclude"), "exclude", split(exclude, ","))
	}
	switch level := in.get("policy-level"); level {
	case "shared":
		s.set(in.at("policy-level"), "selectors", "any")
	case "use", "require", "unique":
		s.set(in.at("policy-level"), "selectors", "each")
	}
}

// prefixes sets a key to networks, leaving out with a warning what isn't one.
func (d *draft) prefixes(a at, key string, list []string) {
	var out []string
	for _, written := range list {
		p, err := parseNetwork(written)
		if err != nil {
			d.warn(a, err.Error())
			continue
		}
		out = append(out, p.String())
	}
	if len(out) > 0 {
		d.set(a, key, out)
	}
}
