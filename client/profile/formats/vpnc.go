package formats

import (
	"cmp"
	"slices"
	"strings"
)

// vpnc, .conf: one directive a line, its value behind it.
//
// Source: vpnc(8), and src/config.c, which reads otherwise than the manual says: case
// doesn't count, blanks around the value are dropped and then one pair of quotes, a
// comment begins its line, and of a directive's values the first one counts.
var vpnc = importer{
	name: "vpnc",
	recognise: func(f *text) bool {
		for _, line := range f.lines {
			switch name, value, _ := vpncDirective(line); name {
			case "IPSec gateway", "IPSec ID", "IPSec secret", "IPSec obfuscated secret", "Xauth username":
				return value != "" // and not "IPSec gateway=", which is NetworkManager's
			}
		}
		return false
	},
	read: each(readVPNC),
}

// isSet is what a directive without a value is kept as.
const isSet = "yes"

// vpncDirectives are all directives, the old ones too: true takes a value.
var vpncDirectives = map[string]bool{
	"IPSec gateway": true, "IPSec ID": true, "IPSec secret": true, "IPSec obfuscated secret": true,
	"Xauth username": true, "Xauth password": true, "Xauth obfuscated password": true, "Xauth interactive": false,
	"Domain": true, "Vendor": true, "NAT Traversal Mode": true, "Script": true, "IKE DH Group": true,
	"Perfect Forward Secrecy": true, "Enable Single DES": false, "Enable weak encryption": false,
	"Enable no encryption": false, "Enable weak authentication": false, "Application version": true,
	"Interface name": true, "Interface mode": true, "Interface MTU": true, "Debug": true, "No Detach": false,
	"Pidfile": true, "Local Addr": true, "Local Port": true, "Cisco UDP Encapsulation Port": true,
	"DPD idle timeout (our side)": true, "Noninteractive": false, "IKE Authmode": true, "CA-File": true, "CA-Dir": true,
	"IPSEC target network": true, "Password helper": true,
	"UDP Encapsulate": false, "UDP Encapsulation Port": true, "Disable NAT Traversal": false, "NAT-Keepalive packet interval": true,
}

// vpncNames are the directives, those first that begin like another one.
var vpncNames = func() []string {
	var out []string
	for name := range vpncDirectives {
		out = append(out, name)
	}
	slices.SortFunc(out, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	return out
}()

// vpncDirective takes a line apart. name is "" where no directive is known; value is
// "" where the directive wants one and has none.
func vpncDirective(line string) (name, value string, takes bool) {
	for _, name := range vpncNames {
		if len(line) < len(name) || !strings.EqualFold(line[:len(name)], name) {
			continue
		}
		rest := line[len(name):]
		if rest != "" && rest[0] != ' ' && rest[0] != '\t' {
			continue
		}
		if !vpncDirectives[name] {
			return name, isSet, false
		}
		value = strings.Trim(rest, " \t")
		if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
			value = value[1 : len(value)-1]
		}
		return name, value, true
	}
	return "", "", false
}

func readVPNC(r *reading, f *text) {
	d := r.draft(f, "")
	in := &section{}
	for i, line := range f.lines {
		name, value, takes := vpncDirective(line)
		a := at{line: i + 1, key: name}
		switch {
		case line == "" || line[0] == '#' || strings.TrimSpace(line) == "":
		case name == "": // the line may be anything, a secret too
			d.warn(at{line: i + 1}, "The directive is unknown.")
		case value == "":
			d.warn(a, "has no value")
		case in.has(name) && takes:
			d.warn(a, "is set twice; the first one counts")
		case !in.has(name):
			in.set(setting{key: name, value: value, line: i + 1})
		}
	}
	d.vpnc(in)
	in.rest(d)
	d.done()
}

// vpnc fills a draft from directives; one without a value is isSet, or "no".
func (d *draft) vpnc(in *section) {
	copied := func(from, to string) {
		if v := in.get(from); v != "" {
			d.set(in.at(from), to, v)
		}
	}
	d.set(at{}, "mode", "aggressive")
	copied("IPSec gateway", "gateway")
	copied("Xauth username", "user")
	copied("Domain", "domain")
	copied("Interface name", "interface")
	if id := in.get("IPSec ID"); id != "" {
		d.set(in.at("IPSec ID"), "identity", id)
		d.set(in.at("IPSec ID"), "identity_type", "key-id")
	}
	d.vpncSecret(in, "secret", "IPSec secret", "IPSec obfuscated secret")
	d.vpncSecret(in, "password", "Xauth password", "Xauth obfuscated password")
	d.vpncAuth(in)
	d.vpncAlgorithms(in)
	d.vpncNAT(in)
	d.vpncNetwork(in)
	for _, k := range vpncIgnored {
		if in.get(k.key) != "" {
			d.ignored(in.at(k.key), k.why)
		}
	}
	in.get("Enable no encryption") // "no" too is understood
}

// vpncIgnored are the directives that mean nothing here, and why.
var vpncIgnored = []struct{ key, why string }{
	{"Script", "is a program: nothing of a profile is ever run"},
	{"Password helper", "is a program: nothing of a profile is ever run"},
	{"No Detach", "is about vpnc's own process"},
	{"Pidfile", "is about vpnc's own process"},
	{"Debug", "is about vpnc's own process"},
	{"Noninteractive", "is about vpnc's own process"},
	{"Xauth interactive", "whatever the gateway asks for and isn't known is asked"},
	{"Application version", "what a gateway is told of this program isn't set by a profile"},
	{"CA-Dir", "a folder of authorities can't be trusted here: name the file of one in ca"},
	{"Cisco UDP Encapsulation Port", "the port of Cisco's own UDP encapsulation is for the gateway to say"},
	{"UDP Encapsulation Port", "the port of Cisco's own UDP encapsulation is for the gateway to say"},
	{"NAT-Keepalive packet interval", "keepalives are sent wherever there is a NAT"},
}

// vpncSecret takes the clear spelling where there are both.
func (d *draft) vpncSecret(in *section, key, plain, obscured string) {
	s, blob := in.get(plain), in.get(obscured)
	if s != "" && blob != "" {
		d.warn(in.at(obscured), plain+" is set too, and counts")
	}
	if s != "" {
		d.secret(in.at(plain), key, []byte(s))
		return
	}
	d.revealed(in.at(obscured), key, blob)
}

// vpncAuth reads who proves what.
func (d *draft) vpncAuth(in *section) {
	a := in.at("IKE Authmode")
	ca, from := in.get("CA-File"), in.at("CA-File")
	switch mode := in.get("IKE Authmode"); strings.ToLower(mode) {
	case "", "psk":
		if ca != "" {
			d.ignored(from, "is of no use with a pre-shared key")
		}
		return
	case "hybrid":
		d.set(a, "auth", "hybrid")
	case "cert":
		d.set(a, "auth", "rsa")
		if !d.has("certificate") {
			d.set(a, "certificate", fileName(d.profileName()+".p12"))
			d.warn(a, "vpnc has no directive for our own certificate: put it with its key, as PKCS #12, where the profile says")
		}
		delete(d.values, "secret")
	default:
		d.warn(a, quoted(mode)+" isn't known; psk, hybrid and cert are. A pre-shared key is taken")
		return
	}
	if ca != "" {
		d.file(from, "ca", ca)
	}
}

// vpncAlgorithms reads the few that a person could choose.
func (d *draft) vpncAlgorithms(in *section) {
	ciphers, hashes := slices.Clone(vpncCiphers), shaOrMD5
	weak := cmp.Or(in.get("Enable weak encryption"), in.get("Enable Single DES"))
	if other := in.get("Enable Single DES"); yes(other) {
		weak = other
	}
	switch {
	case yes(weak):
		ciphers = append(ciphers, "des")
	case weak != "":
		ciphers = slices.DeleteFunc(ciphers, func(c string) bool { return c == "3des" })
	}
	if md5 := in.get("Enable weak authentication"); md5 != "" && !yes(md5) {
		hashes = hashes[:1]
	}
	if yes(in.get("Enable no encryption")) {
		ciphers = append(ciphers, "null")
	}
	group := "modp1024"
	if written := in.get("IKE DH Group"); written != "" {
		group = d.vpncGroup(in.at("IKE DH Group"), written, group)
	}
	d.historical("vpnc", ciphers, hashes, group)
	switch pfs, a := in.get("Perfect Forward Secrecy"), in.at("Perfect Forward Secrecy"); pfs {
	case "", "server":
		d.set(a, "pfs", "auto")
	case "nopfs":
		d.set(a, "pfs", "off")
	default:
		d.set(a, "pfs", d.vpncGroup(a, pfs, "auto"))
	}
}

// vpncGroup reads "dh2".
func (d *draft) vpncGroup(a at, written, otherwise string) string {
	if g := groupNumbers[strings.TrimPrefix(strings.ToLower(written), "dh")]; g != "" {
		return g
	}
	d.warn(a, quoted(written)+" is no group that is known; "+otherwise+" is taken")
	return otherwise
}

// vpncNAT reads how ESP gets through a NAT.
func (d *draft) vpncNAT(in *section) {
	mode, a := in.get("NAT Traversal Mode"), in.at("NAT Traversal Mode")
	for _, old := range [][2]string{{"Disable NAT Traversal", "none"}, {"UDP Encapsulate", "cisco-udp"}} {
		switch {
		case in.get(old[0]) == "":
		case mode == "":
			mode, a = old[1], in.at(old[0])
		default:
			d.warn(in.at(old[0]), "is an old spelling; "+a.key+" is set too, and counts")
		}
	}
	switch mode {
	case "", "natt":
	case "none":
		d.set(a, "nat_traversal", "off")
	case "force-natt":
		d.set(a, "nat_traversal", "force")
	case "cisco-udp":
		d.guessed(a, "UDP encapsulation is that of RFC 3947 and its drafts in place of Cisco's own, where there is a NAT.")
	default:
		d.warn(a, quoted(mode)+" isn't known; auto is taken")
	}
}

// vpncNetwork reads the rest of what is about packets.
func (d *draft) vpncNetwork(in *section) {
	switch port, a := in.get("Local Port"), in.at("Local Port"); port {
	case "":
	case "0":
		d.set(a, "source_port", 0)
	case "500":
		d.set(a, "source_port", 500)
	default:
		d.warn(a, "only 500, or 0 for a random one, is possible; a random one is taken")
	}
	if addr := in.get("Local Addr"); addr != "" && addr != "0.0.0.0" {
		d.ignored(in.at("Local Addr"), "the address is the one of the way to the gateway")
	}
	if s := in.get("DPD idle timeout (our side)"); s == "0" {
		d.set(in.at("DPD idle timeout (our side)"), "dpd", "off")
	} else if s != "" {
		d.seconds(in.at("DPD idle timeout (our side)"), "dpd", s)
	}
	if v, a := strings.ToLower(in.get("Vendor")), in.at("Vendor"); v != "" {
		d.set(a, "vendor", v)
	}
	if in.get("Interface mode") == "tap" {
		d.warn(in.at("Interface mode"), "only tun is possible here")
	}
	if mtu := in.get("Interface MTU"); mtu != "" {
		d.number(in.at("Interface MTU"), "mtu", mtu)
	}
	if target := in.get("IPSEC target network"); target != "" {
		d.networks(in.at("IPSEC target network"), []string{target})
		if d.has("networks") {
			d.set(in.at("IPSEC target network"), "selectors", "each")
		}
	}
}
