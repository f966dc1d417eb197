package formats

import (
	"cmp"
	"fmt"
	"strings"

	"postern/client/profile"
)

// FortiClient's configuration, which it writes as a backup, as .conf or .xml.
//
// Source: Fortinet, FortiClient XML Reference Guide, "IPsec VPN".

var forticlient = importer{
	name:      "forticlient",
	recognise: func(f *text) bool { return strings.Contains(f.body, "<forticlient_configuration") },
	read:      each(readForticlient),
}

func readForticlient(r *reading, f *text) {
	root, err := parseXML(f.body)
	if err != nil {
		r.fault(f, err)
		return
	}
	vpn := root.child("vpn")
	for _, c := range vpn.child("sslvpn", "connections").all("connection") {
		name := ""
		if n := c.child("name"); n != nil {
			name = n.text
		}
		r.warn(f, at{line: c.line, key: name}, "this connection is SSL VPN, which postern doesn't speak")
	}
	for _, c := range root.children {
		if c.name != "vpn" && c.name != "forticlient_version" && len(c.children) > 0 {
			r.ignored(f, at{line: c.line, key: c.name}, "has no place in a profile")
		}
	}
	connections := vpn.child("ipsecvpn", "connections").all("connection")
	if len(connections) == 0 {
		r.refuse(f, "this configuration of FortiClient has no IPsec connection in it")
		return
	}
	for _, c := range connections {
		fortiConnection(r, f, c, len(connections) > 1)
	}
}

func fortiConnection(r *reading, f *text, e *element, several bool) {
	c := e.section()
	ike, ipsec := c.child("ike_settings"), c.child("ipsec_settings")
	name := c.get("name")
	here := at{line: c.line, key: name}
	if v := ike.get("version"); v != "" && v != "1" {
		r.warn(f, here, "this connection is IKEv2, which postern doesn't speak")
		return
	}
	hosts := strings.FieldsFunc(ike.get("server"), func(r rune) bool { return r == ';' || r == ',' })
	if len(hosts) == 0 {
		r.warn(f, here, "this connection names no gateway (server)")
		return
	}
	d := r.draft(f, name)
	if several {
		d.in.Source = f.name + ": " + clean(name)
	}
	d.gateways(ike.at("server"), hosts, "")
	d.set(at{}, "vendor", "fortigate")
	d.set(ike.at("mode"), "mode", string(profile.MainMode))
	if strings.EqualFold(ike.get("mode"), "aggressive") {
		d.set(ike.at("mode"), "mode", string(profile.AggressiveMode))
	}
	fortiAuth(d, ike)
	if d.wantsKey() && !d.has("certificate") {
		r.warn(f, ike.at("authentication_method"), d.in.about("the certificate isn't in the file; export it with its key from where it is kept, and import both files together"))
		return
	}
	fortiProposals(d, e.child("ike_settings"), ike, "ike")
	fortiProposals(d, e.child("ipsec_settings"), ipsec, "esp")
	fortiNetwork(d, e.child("ipsec_settings"), ike, ipsec)
	for _, s := range []*section{c, ike, ipsec} {
		for _, key := range []string{
			"single_user_mode", "type", "description", "keep_running", "machine", "nat_alive_freq", "fgt", "enable_ike_fragmentation", "xauth_timeout",
			"dpd_retry_count", "mode_config", "key_life_type", "key_life_Kbytes", "replay_detection", "autokey_keep_alive", "use_vip", "prompt_certificate",
			"implied_SPDO", "implied_SPDO_timeout",
		} {
			s.get(key) // what postern does by itself
		}
		for _, child := range []string{"proposals", "remote_networks", "auth_data", "ui"} {
			if sub := s.child(child); sub != nil {
				for i := range sub.keys {
					sub.keys[i].used = true
				}
				for _, x := range sub.sections {
					*x = section{used: true}
				}
			}
		}
	}
	for _, script := range []string{"on_connect", "on_disconnect"} {
		if s := c.child(script); s != nil {
			*s = section{used: true}
			d.warn(at{line: e.child(script).line, key: script}, "the script isn't imported: nothing that a file names is ever run")
		}
	}
	c.rest(d)
	d.done()
}

// fortiEncrypted says whether a value is encrypted with a key that FortiClient has.
func fortiEncrypted(value string) bool {
	return strings.HasPrefix(value, "Enc ") || strings.HasPrefix(value, "EncX") || strings.HasPrefix(value, "Enc") && len(value) > 34
}

func fortiAuth(d *draft, ike *section) {
	method := strings.ToLower(ike.get("authentication_method"))
	auth := ike.child("auth_data")
	d.set(ike.at("authentication_method"), "auth", string(profile.AuthPSK))
	if strings.Contains(method, "x509") {
		d.set(ike.at("authentication_method"), "auth", string(profile.AuthRSA))
		if f := d.r.certificate(true); f != nil {
			d.embed(at{}, "certificate", f.name, f.data)
		}
	}
	if id := ike.get("localid"); id != "" {
		d.set(ike.at("localid"), "identity", id)
		d.set(ike.at("localid"), "identity_type", string(profile.TypeKeyID))
	}
	keep := func(s *section, from, key string) {
		value := s.get(from)
		switch {
		case value == "":
		case fortiEncrypted(value):
			d.warn(s.at(from), "is encrypted by FortiClient; it will be asked for")
		case key == "user":
			d.set(s.at(from), key, value)
		default:
			d.secret(s.at(from), key, []byte(value))
		}
	}
	if d.text("auth") == string(profile.AuthPSK) {
		keep(auth, "preshared_key", "secret")
	}
	x := ike.child("xauth")
	d.set(x.at("enabled"), "xauth", yes(x.get("enabled")))
	if yes(x.get("enabled")) {
		keep(x, "username", "user")
		keep(x, "password", "password")
	}
	x.get("prompt_username")
	x.get("use_otp")
}

// fortiProposals takes <proposal>AES128|SHA1</proposal> with the groups of <dhgroup>.
func fortiProposals(d *draft, e *element, s *section, key string) {
	a := s.at("dhgroup")
	var groups []string
	for _, n := range strings.FieldsFunc(s.get("dhgroup"), func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
		if g := groupNumbers[n]; g != "" && len(groups) < maxProposals {
			groups = append(groups, g)
		} else {
			d.warn(a, fmt.Sprintf("the group %s isn't known here; it is left out", quoted(n)))
		}
	}
	if life := s.get("key_life", "key_life_seconds"); life != "" {
		d.seconds(s.at("key_life", "key_life_seconds"), "lifetime."+key, life)
	}
	if key == "esp" {
		if yes(s.get("pfs")) && len(groups) > 0 {
			d.set(s.at("pfs"), "pfs", groups[0])
		}
		groups = []string{""}
	}
	if len(groups) == 0 {
		groups = []string{"modp1536"} // FortiClient's own default
	}
	var offer []string
	for _, g := range groups {
		for _, p := range e.child("proposals").all("proposal") {
			if len(offer) >= maxProposals {
				break
			}
			all, err := combine(strings.ReplaceAll(p.text, "|", "-")+"-"+g, key == "ike")
			if err != nil {
				d.warn(at{line: p.line, key: "proposal"}, err.Error()+"; the proposal is left out")
				continue
			}
			offer = append(offer, all...)
		}
	}
	d.offer(a, key, offer)
	if len(offer) == 0 {
		d.guessed(at{key: key}, "has no proposals that can be offered; those of this program are")
	}
}

// fortiNetwork takes over the networks behind the gateway and how to reach it.
func fortiNetwork(d *draft, e *element, ike, ipsec *section) {
	var networks []string
	remote := e.child("remote_networks")
	for _, n := range remote.all("network") {
		s := n.section()
		if s.get("addr") != "" && len(networks) < maxKeys {
			networks = append(networks, s.get("addr")+"/"+cmp.Or(s.get("mask"), "255.255.255.255"))
		}
	}
	if remote != nil {
		d.networks(at{line: remote.line, key: "remote_networks"}, networks)
	}
	if ike.get("nat_traversal") == "0" {
		d.set(ike.at("nat_traversal"), "nat_traversal", profile.Off)
	}
	if yes(ike.get("enable_local_lan")) {
		d.set(ike.at("enable_local_lan"), "local_lan", true)
	}
	if interval := ike.get("dpd_retry_interval"); ike.get("dpd") == "0" {
		d.set(ike.at("dpd"), "dpd", profile.Off)
	} else if interval != "" {
		d.seconds(ike.at("dpd_retry_interval"), "dpd", interval)
	}
	v := ipsec.child("virtualip")
	if kind := v.get("type"); yes(v.get("dhcpoveripsec")) || strings.Contains(kind, "dhcp") {
		d.warn(v.at("type", "dhcpoveripsec"), "the address comes by DHCP over IPsec, which can't be had; Mode Config is asked for instead")
	} else if ip := v.get("ip"); ip != "" && ip != "0.0.0.0" && (strings.EqualFold(kind, "manual") || ike.get("mode_config") == "0") {
		d.set(v.at("ip"), "address", ip)
	}
	if dns := v.get("dnsserver"); dns != "" && dns != "0.0.0.0" {
		d.set(v.at("dnsserver"), "dns_servers", []string{dns})
	}
	for _, key := range []string{"mask", "dnsserver_secondary", "winserver", "dhcpoveripsec"} {
		v.get(key)
	}
}
