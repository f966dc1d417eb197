package formats

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"postern/client/profile"
)

// AVM's boxes: what a FRITZ!Box imports ("vpncfg { connections { … } }", from the box's
// point of view) and what AVM's own client did ("targets { policies { … } }", ours).
//
// Source: files in public how-tos; AVM's list of algorithms.

var (
	fritzMark   = regexp.MustCompile(`(?m)^[ \t]*(vpncfg|targets)\s*\{`)
	fritzExport = regexp.MustCompile(`^\*{4} .*CONFIGURATION EXPORT`)
)

var fritzbox = importer{
	name:      "fritzbox",
	recognise: func(f *text) bool { return fritzMark.MatchString(f.body) && !fritzExport.MatchString(f.body) },
	read:      each(readFritzbox),
}

var fritzboxBackup = importer{
	name:      "fritzbox",
	recognise: func(f *text) bool { return fritzExport.MatchString(f.body) },
	refuse: "this is the backup of a FRITZ!Box, whose passwords are encrypted with its own key; " +
		"open the VPN settings of its user in the box and type in what they show, or import the VPN file that the box was set up with",
}

func readFritzbox(r *reading, f *text) {
	all, err := parseBraces(f.body, dialect{slashes: true, escapes: true, operators: "=,"})
	if err != nil {
		r.fault(f, err)
		return
	}
	some := false
	for _, s := range all {
		entry := map[string]string{"vpncfg": "connections", "targets": "policies"}[s.name()]
		if entry == "" {
			r.ignored(f, at{line: s.line, key: s.name()}, "has no place in a profile")
			continue
		}
		count := 0
		for i := range s.block {
			if s.block[i].name() == entry {
				count++
			}
		}
		for i := range s.block {
			if c := &s.block[i]; c.name() == entry {
				some = true
				fritzConnection(r, f, fritzSection(c), s.name() == "vpncfg", count > 1)
			}
		}
	}
	if !some {
		r.refuse(f, "this file of a FRITZ!Box has no VPN connection in it")
	}
}

// fritzSection turns a block into a section: `key = value;` and `name { … }`. A list
// becomes lines.
func fritzSection(s *statement) *section {
	out := &section{name: s.name(), line: s.line}
	for i := range s.block {
		o := &s.block[i]
		if o.block != nil {
			if len(out.sections) < maxSections {
				out.sections = append(out.sections, fritzSection(o))
			}
			continue
		}
		if len(o.words) < 3 || !o.words[1].is("=") || len(out.keys) >= maxKeys {
			continue
		}
		var values []string
		for _, w := range o.words[2:] {
			if !w.is(",") {
				values = append(values, w.text)
			}
		}
		out.set(setting{key: o.name(), value: strings.Join(values, "\n"), line: o.line})
	}
	return out
}

// fritzConnection imports one connection. In a box's file, the remote side is us,
// unless the box itself is the client of a gateway.
func fritzConnection(r *reading, f *text, c *section, box, several bool) {
	name := c.get("name")
	kind := c.get("conn_type")
	swap := box && kind != "conntype_out"
	here := at{line: c.line, key: name}
	if kind == "conntype_lan" {
		r.warn(f, here, "this connection joins two networks, box to box, which is nothing for a single computer; let the box make a user's connection")
		return
	}
	d := r.draft(f, name)
	if several {
		d.in.Source = f.name + ": " + clean(name)
	}
	ours, theirs := "localid", "remoteid"
	networks, address := "phase2remoteid", c.get("virtualip", "local_virtualip")
	if swap {
		ours, theirs = "remoteid", "localid"
		networks, address = "phase2localid", c.get("remote_virtualip")
	}
	fritzGateway(d, c, swap)
	d.set(c.at("mode"), "mode", string(profile.MainMode))
	if strings.HasSuffix(c.get("mode"), "mode_aggressive") {
		d.set(c.at("mode"), "mode", string(profile.AggressiveMode))
	}
	fritzIdentity(d, c.child(ours), false)
	fritzIdentity(d, c.child(theirs), true)
	fritzSecrets(d, c)
	fritzAlgorithms(d, c)
	fritzNetwork(d, c, networks, address)
	for _, key := range []string{
		"enabled", "editable", "always_renew", "localip", "local_virtualip", "remoteip", "remote_virtualip", "virtualip",
		"keytype", "accesslist", "use_cfgmode", "boxuser_id", "dont_filter_netbios", "reject_not_encrypted", "connect_on_channelup", "wakeupremote",
	} {
		c.get(key) // what postern does by itself, or is the box's business
	}
	c.child("phase2localid")
	c.child("phase2remoteid")
	for _, s := range c.sections {
		for i := range s.keys {
			s.keys[i].used = true
		}
	}
	c.rest(d)
	d.done()
}

// noBox stands in a profile until a person has put the box's name there (RFC 2606: it
// never resolves). Chosen here.
const noBox = "address-of-the-box.invalid"

// fritzGateway finds the box. Its own file has no name for it, but people write it
// there for us.
func fritzGateway(d *draft, c *section, swap bool) {
	host := c.get("remotehostname")
	if host == "" {
		if addr, err := netip.ParseAddr(c.get("remoteip")); err == nil && !addr.IsUnspecified() {
			host = addr.String()
		}
	}
	a := c.at("remotehostname", "remoteip")
	switch {
	case host == "":
		host = noBox
		d.warn(a, "isn't there: this is the box's own file, which has no address for the box. Ask for its MyFRITZ! name and set gateway in the profile")
	case swap:
		d.guessed(a, "was taken for the box's own name")
	}
	d.set(a, "gateway", host)
}

// fritzIdentity reads `localid { key_id = "jdoe"; }`.
func fritzIdentity(d *draft, s *section, peer bool) {
	for _, k := range []struct {
		key  string
		kind profile.IdentityType
	}{{"key_id", profile.TypeKeyID}, {"fqdn", profile.TypeFQDN}, {"user_fqdn", profile.TypeUserFQDN}, {"ipaddr", profile.TypeAddress}} {
		value := s.get(k.key)
		switch {
		case value == "" || value == "0.0.0.0":
			continue
		case peer:
			d.set(s.at(k.key), "gateway_identity", value)
		default:
			d.set(s.at(k.key), "identity", value)
			d.set(s.at(k.key), "identity_type", string(k.kind))
		}
		return
	}
}

// fritzSecrets takes the key and the login over. What begins with "$$$$" is encrypted
// with the box's own key.
func fritzSecrets(d *draft, c *section) {
	keep := func(s *section, from, key string) {
		value := s.get(from)
		if strings.HasPrefix(value, "$$$$") {
			d.warn(s.at(from), "is encrypted with the box's own key; it will be asked for")
			return
		}
		d.secret(s.at(from), key, []byte(value))
	}
	if yes(c.get("cert_do_server_auth")) || !strings.HasSuffix(c.get("keytype")+"keytype_pre_shared", "keytype_pre_shared") {
		d.warn(c.at("keytype", "cert_do_server_auth"), "certificates of a FRITZ!Box can't be taken over; the connection uses a pre-shared key")
	}
	keep(c, "key", "secret")
	d.set(c.at("use_xauth"), "xauth", false)
	if !yes(c.get("use_xauth")) {
		return
	}
	d.set(c.at("use_xauth"), "xauth", true)
	x := c.child("xauth")
	if user := x.get("username"); user != "" {
		d.set(x.at("username"), "user", user)
	}
	if x != nil {
		keep(x, "passwd", "password")
	}
}

// fritzAlgorithms reads phase1ss = "group/cipher/hash" and phase2ss =
// "esp-ciphers-hashes/ah-none/comp-…/pfs". Boxes take group 2, whatever is set.
func fritzAlgorithms(d *draft, c *section) {
	group, cipher, hash, chosen := "modp1024", "all", "all", ""
	if parts := strings.Split(c.get("phase1ss"), "/"); len(parts) == 3 {
		if chosen = groupNumbers[strings.TrimPrefix(parts[0], "dh")]; chosen != "" {
			group = chosen
		}
		cipher, hash = parts[1], parts[2]
	}
	ciphers := fritzWords(cipher, map[string][]string{"aes": {"aes256", "aes192", "aes128"}, "3des": {"3des"}, "des": {"des"}}, []string{"aes256", "aes128", "3des"})
	hashes := fritzWords(hash, map[string][]string{"sha": {"sha1"}, "sha2": {"sha512"}, "md5": {"md5"}}, []string{"sha512", "sha1"})
	d.offer(c.at("phase1ss"), "ike", offered(ciphers, hashes, []string{group}))

	esp, _, _ := strings.Cut(c.get("phase2ss"), "/")
	words := strings.Split(strings.TrimPrefix(esp, "esp-"), "-")
	ciphers, hashes = nil, nil
	for _, w := range words {
		ciphers = append(ciphers, fritzWords(w, map[string][]string{"aes": {"aes256", "aes192", "aes128"}, "aes256": {"aes256"}, "3des": {"3des"}, "des": {"des"}}, nil)...)
		hashes = append(hashes, fritzWords(w, map[string][]string{"sha": {"sha1"}, "sha2": {"sha512"}, "md5": {"md5"}}, nil)...)
	}
	if len(ciphers) == 0 {
		ciphers = []string{"aes256", "aes128", "3des"}
	}
	if len(hashes) == 0 {
		hashes = []string{"sha512", "sha1"}
	}
	d.offer(c.at("phase2ss"), "esp", offered(ciphers, hashes, nil))
	if strings.HasSuffix(c.get("phase2ss"), "/pfs") {
		d.set(c.at("phase2ss"), "pfs", group)
	}
	if chosen == "" {
		d.guessed(c.at("phase1ss"), fmt.Sprintf("leaves the choice to the box; the profile has what boxes of all years take, with the group %s", group))
	}
}

// fritzWords is what a word stands for, or all where it is no known one.
func fritzWords(word string, known map[string][]string, all []string) []string {
	if k := known[word]; k != nil {
		return k
	}
	return all
}

// fritzNetwork takes over the networks behind the box and, where the box assigns none,
// our address.
func fritzNetwork(d *draft, c *section, networks, address string) {
	if ipnet := c.child(networks).child("ipnet"); ipnet != nil {
		addr, err := netip.ParseAddr(ipnet.get("ipaddr"))
		if err == nil {
			p, err := withMask(addr, ipnet.get("mask"))
			if err != nil {
				d.warn(ipnet.at("mask"), err.Error())
			} else {
				d.networks(ipnet.at("ipaddr"), []string{p.String()})
			}
		}
	}
	if rules := strings.Split(c.get("accesslist"), "\n"); slices.ContainsFunc(rules, func(s string) bool { return strings.HasPrefix(s, "permit ip any ") }) &&
		networks == "phase2localid" {
		delete(d.values, "networks") // everything goes through the box
	}
	if c.get("use_nat_t") == "no" {
		d.set(c.at("use_nat_t"), "nat_traversal", profile.Off)
	}
	if addr, err := netip.ParseAddr(address); err == nil && !addr.IsUnspecified() && !yes(c.get("use_cfgmode")) {
		d.set(c.at("virtualip", "remote_virtualip"), "address", addr.String())
	}
}
