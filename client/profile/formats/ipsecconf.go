package formats

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"postern/client/profile"
)

// ipsec.conf and ipsec.secrets of libreswan (ipsec.conf(5) of 4.10 and 5.2) and of
// strongSwan before swanctl (ipsec.conf(5) of 5.9).

var (
	connMark      = regexp.MustCompile(`(?m)^conn[ \t]+\S`)
	libreswanMark = regexp.MustCompile(`(?mi)^[ \t]*(ikev2|ikev1-policy|aggrmode|phase2alg|remote-peer-type|cisco-unity|nat-ikev1-method|salifetime|sha2-truncbug|` +
		`(left|right)(xauthclient|xauthserver|modecfgclient|modecfgserver|username|xauthusername))[ \t]*=`)
	secretsMark = regexp.MustCompile(`(?mi)^[^#\n]*:[ \t]*(psk|xauth|rsa|ecdsa|p12|pkcs8|eap|pin)[ \t]`)
)

var libreswan = importer{
	name:      "libreswan",
	recognise: func(f *text) bool { return connMark.MatchString(f.body) && libreswanMark.MatchString(f.body) },
	read:      readIpsecConf,
}

var strongswan = importer{
	name:      "strongswan",
	recognise: func(f *text) bool { return connMark.MatchString(f.body) },
	read:      readIpsecConf,
}

func readIpsecConf(r *reading, files []*text) {
	secrets := ipsecSecrets(r)
	var all conf
	from := map[*conn]*text{}
	for _, f := range files {
		conns, warnings, err := parseIpsecConf(f.body)
		if err != nil {
			r.fault(f, err)
			continue
		}
		for _, n := range warnings {
			r.warn(f, at{line: n.Line, key: n.Key}, n.Text)
		}
		for _, c := range conns {
			from[c] = f
		}
		all.conns = append(all.conns, conns...)
	}
	var ours []*conn
	for _, c := range all.conns {
		if c.kind == "conn" && c.name != "%default" && !all.base(c) {
			ours = append(ours, c)
		}
	}
	for _, c := range ours {
		flat, missing := all.flat(c)
		for _, name := range missing {
			r.warn(from[c], at{line: c.line, key: c.name}, fmt.Sprintf("takes over the section %s, which isn't there", quoted(name)))
		}
		ipsecConnection(r, from[c], flat, secrets, len(ours) == 1)
	}
}

// base says whether a section only serves others: one of them takes it over, and it
// says too little for itself.
func (f conf) base(c *conn) bool {
	taken := slices.ContainsFunc(f.conns, func(o *conn) bool { return o.kind == c.kind && slices.Contains(o.also, c.name) })
	return taken && (!c.has("left") || !c.has("right"))
}

// ipsecSecrets reads the files with secrets that were given too.
func ipsecSecrets(r *reading) []ipsecSecret {
	var out []ipsecSecret
	for _, f := range r.companions {
		if !secretsMark.MatchString(f.body) {
			continue
		}
		f.used = true
		entries, warnings := parseIpsecSecrets(f.body)
		for _, n := range warnings {
			r.warn(f, at{line: n.Line, key: n.Key}, n.Text)
		}
		out = append(out, entries...)
	}
	return out
}

// sides are the prefixes of our keys and of the gateway's.
func sides(c *conn) (ours, gateways string) {
	open := func(side string) bool {
		address := c.get(side)
		return address == "" || strings.HasPrefix(address, "%") || address == "0.0.0.0"
	}
	switch {
	case yes(c.get("leftxauthclient")), yes(c.get("leftmodecfgclient")):
		return "left", "right"
	case yes(c.get("rightxauthclient")), yes(c.get("rightmodecfgclient")):
		return "right", "left"
	case open("right") && !open("left"):
		return "right", "left"
	}
	return "left", "right"
}

// speaksIKEv1 says why a connection is none of ours; "": it is.
func speaksIKEv1(c *conn) string {
	exchange, v2 := strings.ToLower(c.get("keyexchange")), strings.ToLower(c.get("ikev2"))
	v1 := exchange == "ikev1" || v2 == "no" || v2 == "never" || exchange == "" && v2 == "permit" ||
		yes(c.get("aggressive", "aggrmode")) || yes(c.get("leftxauthclient")) || yes(c.get("rightxauthclient")) ||
		strings.HasPrefix(c.get("authby"), "xauth") || strings.HasPrefix(c.get("leftauth2")+c.get("rightauth2"), "xauth")
	switch {
	case exchange == "ikev2", !v1 && v2 != "":
		return "this connection is IKEv2, which postern doesn't speak"
	case !v1:
		return "this connection doesn't say that it is IKEv1; add keyexchange=ikev1 if its gateway speaks that"
	case slices.Contains([]string{"passthrough", "pass", "drop", "reject"}, c.get("type")):
		return "this is a rule about packets, no connection to a gateway"
	case c.get("type") == "transport":
		return "this connection is in transport mode (L2TP over IPsec), which postern doesn't speak"
	}
	return ""
}

func ipsecConnection(r *reading, f *text, c *conn, secrets []ipsecSecret, only bool) {
	here := at{line: c.line, key: c.name}
	if why := speaksIKEv1(c); why != "" {
		r.warn(f, here, why)
		return
	}
	ours, theirs := sides(c)
	gateways := list(c.get(theirs))
	if len(gateways) == 0 || strings.HasPrefix(gateways[0], "%") || c.get("xauth") == "server" || yes(c.get(ours+"xauthserver")) {
		r.warn(f, here, "this connection waits for others: it is a gateway's side")
		return
	}
	d := r.draft(f, c.name)
	d.in.Source = f.name + ": " + clean(c.name)
	d.gateways(c.at(theirs), gateways, c.get(theirs+"ikeport"))
	d.set(c.at("aggressive", "aggrmode"), "mode", string(profile.MainMode))
	if yes(c.get("aggressive", "aggrmode")) {
		d.set(c.at("aggressive", "aggrmode"), "mode", string(profile.AggressiveMode))
	}
	ipsecAuth(d, c, ours, theirs)
	ipsecProposals(d, c)
	ipsecNetwork(d, c, ours, theirs)
	ipsecTimes(d, c)
	ipsecKeep(d, secrets, only)
	d.privateKey()
	for _, key := range []string{
		ours, ours + "modecfgclient", theirs + "modecfgserver", theirs + "xauthserver", "modecfgpull", "modeconfig", "auto",
		"type", "fragmentation", "keyingtries", "rekey", "reauth", "xauth", theirs + "sendcert", ours + "sendcert", "ikev2", "keyexchange",
		"leftfirewall", "rightfirewall", "installpolicy", "mobike", "closeaction", "dpdaction", "narrowing", "compress",
	} {
		c.get(key) // what postern does by itself, or has no say in
	}
	c.rest(d)
	d.done()
}

// ipsecAuth finds how both sides authenticate, and as whom.
func ipsecAuth(d *draft, c *conn, ours, theirs string) {
	first, second := c.get(ours+"auth"), c.get(ours+"auth2")
	authby := strings.ToLower(c.get("authby"))
	xauth := yes(c.get(ours+"xauthclient")) || strings.HasPrefix(second, "xauth") || strings.HasPrefix(authby, "xauth") || strings.HasPrefix(first, "xauth")
	method := profile.AuthPSK
	switch {
	case strings.HasPrefix(first, "xauth") && strings.HasPrefix(second, "xauth"), strings.HasPrefix(first, "xauth") && second == "":
		method = profile.AuthHybrid
	case first == "pubkey", strings.HasPrefix(first, "rsa"), strings.Contains(authby, "rsa"), authby == "pubkey":
		method = profile.AuthRSA
	case strings.HasPrefix(first, "ecdsa"), strings.Contains(authby, "ecdsa"):
		method = profile.AuthECDSA
	case first == "" && authby == "" && c.get(ours+"cert") != "":
		method = profile.AuthRSA
	}
	c.get(theirs+"auth", theirs+"auth2")
	d.set(c.at(ours+"auth", "authby"), "auth", string(method))
	d.set(at{}, "xauth", xauth)
	userKeys := []string{ours + "username", ours + "xauthusername", "xauth_identity"}
	if user := c.get(userKeys...); user != "" {
		d.set(c.at(userKeys...), "user", user)
	}
	if cert := c.get(ours + "cert"); cert != "" && method.WantsKey() {
		d.named(c.at(ours+"cert"), "certificate", cert)
	}
	if id := c.get(ours + "id"); id != "" {
		d.identity(c.at(ours+"id"), id)
	}
	if id := c.get(theirs + "id"); id != "" {
		d.peer(c.at(theirs+"id"), id)
	}
	if method == profile.AuthPSK {
		return
	}
	if ca := c.get(theirs + "ca"); ca != "" && !strings.Contains(ca, "=") && !strings.HasPrefix(ca, "%") {
		d.named(c.at(theirs+"ca"), "ca", ca)
	}
	if cert := c.get(theirs + "cert"); cert != "" {
		d.named(c.at(theirs+"cert"), "gateway_certificate", cert)
	}
}

// ipsecProposals takes algorithms over. libreswan's rule: Aggressive Mode has one
// default, with the group MODP1536.
func ipsecProposals(d *draft, c *conn) {
	ike := c.get("ike")
	switch {
	case ike != "":
		d.proposals(c.at("ike"), "ike", ike)
	case d.text("mode") == string(profile.AggressiveMode):
		d.offer(at{}, "ike", []string{"aes256-sha1-modp1536"})
		d.guessed(at{key: "ike"}, "isn't there; Aggressive Mode offers aes256-sha1-modp1536, as libreswan does")
	default:
		d.proposals(at{key: "ike"}, "ike", "default")
	}
	espKeys := []string{"esp", "phase2alg"}
	esp := cmp.Or(c.get(espKeys...), "default")
	if yes(c.get("sha2-truncbug", "sha2_truncbug")) || yes(c.get("sha256_96")) {
		esp = truncated(esp)
	}
	d.proposals(c.at(espKeys...), "esp", esp)
	pfs, group := c.get("pfs"), c.get("pfsgroup")
	if pfs == "" || !yes(pfs) || strings.Contains(strings.Join(d.strings("esp"), " "), "modp") {
		return
	}
	// libreswan: "if no group is specified, the group of phase 1 is used".
	if g := groupNumbers[strings.TrimPrefix(group, "dh")]; g != "" {
		group = g
	} else if ike := d.strings("ike"); group == "" && len(ike) > 0 {
		group = groupOf(ike[0])
	}
	if group != "" {
		d.set(c.at("pfsgroup", "pfs"), "pfs", group)
	}
}

// strings is what a key was set to, where that is a list.
func (d *draft) strings(key string) []string { l, _ := d.values[key].([]string); return l }

// ipsecNetwork takes over how packets travel, and which.
func ipsecNetwork(d *draft, c *conn, ours, theirs string) {
	if yes(c.get("forceencaps", "encapsulation")) {
		d.set(c.at("forceencaps", "encapsulation"), "nat_traversal", profile.NATTraversalForced)
	}
	if method := c.get("nat-ikev1-method"); method == "none" {
		d.set(c.at("nat-ikev1-method"), "nat_traversal", profile.Off)
	}
	if c.get("nat_traversal") == "no" {
		d.set(c.at("nat_traversal"), "nat_traversal", profile.Off)
	}
	if yes(c.get("cisco-unity")) || c.get("remote-peer-type", "remote_peer_type") == "cisco" {
		d.set(c.at("cisco-unity", "remote-peer-type", "remote_peer_type"), "vendor", profile.VendorCisco)
	}
	networks := strings.FieldsFunc(c.get(theirs+"subnets", theirs+"subnet"), func(r rune) bool { return strings.ContainsRune("{}, \t", r) })
	d.networks(c.at(theirs+"subnets", theirs+"subnet"), networks)
	ipsecAddress(d, c, ours)
	if script := c.get(ours+"updown", theirs+"updown"); script != "" {
		d.warn(c.at(ours+"updown", theirs+"updown"), "the script isn't imported: nothing that a file names is ever run")
	}
	if mtu := c.get("mtu"); mtu != "" {
		var n int
		if _, err := fmt.Sscanf(mtu, "%d", &n); err == nil {
			d.set(c.at("mtu"), "mtu", n)
		}
	}
}

// ipsecAddress takes over an address that the gateway doesn't assign.
func ipsecAddress(d *draft, c *conn, ours string) {
	source, subnet := c.get(ours+"sourceip"), c.get(ours+"subnet")
	c.get(ours + "subnets")
	if strings.HasPrefix(source, "%") || yes(c.get(ours+"modecfgclient")) {
		return // Mode Config assigns it
	}
	key := ours + "sourceip"
	if source == "" && strings.HasSuffix(subnet, "/32") {
		source, key = strings.TrimSuffix(subnet, "/32"), ours+"subnet"
	}
	if addr, err := netip.ParseAddr(source); err == nil && !addr.IsUnspecified() {
		d.set(c.at(key), "address", addr.String())
		return
	}
	if subnet != "" && subnet != "0.0.0.0/0" && !strings.HasPrefix(subnet, "%") {
		d.warn(c.at(ours+"subnet"), "a network behind this computer can't be had; the tunnel is for the computer alone")
	}
}

// ipsecTimes takes lifetimes and dead peer detection over.
func ipsecTimes(d *draft, c *conn) {
	if life := c.get("ikelifetime"); life != "" {
		d.seconds(c.at("ikelifetime"), "lifetime.ike", life)
	}
	keys := []string{"salifetime", "ipsec-lifetime", "lifetime", "keylife"}
	if life := c.get(keys...); life != "" {
		d.seconds(c.at(keys...), "lifetime.esp", life)
	}
	switch delay := c.get("dpddelay"); {
	case delay == "0" || delay == "0s":
		d.set(c.at("dpddelay"), "dpd", profile.Off)
	case delay != "":
		d.seconds(c.at("dpddelay"), "dpd", delay)
	}
	if c.get("dpdtimeout") != "" {
		d.ignored(c.at("dpdtimeout"), "has no place in a profile: it follows from dpd")
	}
}

// ipsecKeep finds the secrets of a connection. only says that there is no other
// connection that they could belong to.
func ipsecKeep(d *draft, secrets []ipsecSecret, only bool) {
	own := []string{d.text("identity"), d.text("gateway_identity"), d.text("gateway")}
	matches := func(s ipsecSecret, with []string) bool {
		any := len(s.selectors) == 0
		for _, selector := range s.selectors {
			_, id := swanIdentity(selector)
			any = any || selector == "%any" || selector == "%any6" || selector == "0.0.0.0"
			if id != "" && slices.Contains(with, id) {
				return true
			}
		}
		return any
	}
	for _, s := range secrets {
		a := at{key: s.kind}
		switch s.kind {
		case "PSK":
			if d.text("auth") == string(profile.AuthPSK) && !d.has("secret") && (only || matches(s, own)) {
				d.keep(a, "secret", s.values[0], s.quoted[0])
			}
		case "XAUTH", "EAP":
			if d.values["xauth"] == true && !d.has("password") && (matches(s, []string{d.text("user")}) || only && d.text("user") == "") {
				d.keep(a, "password", s.values[0], s.quoted[0])
				if d.text("user") == "" && len(s.selectors) == 1 {
					d.set(a, "user", strings.TrimPrefix(s.selectors[0], "@"))
				}
			}
		case "RSA", "ECDSA", "PKCS8", "P12":
			if !d.wantsKey() || s.values[0] == "{" || d.has("key") {
				continue
			}
			switch {
			case s.kind != "P12":
				d.named(a, "key", s.values[0])
			case s.values[0] != d.text("certificate"):
				d.named(a, "certificate", s.values[0])
			}
			if len(s.values) > 1 && s.values[1] != "%prompt" {
				d.keep(a, "key_passphrase", s.values[1], s.quoted[1])
			}
		}
	}
}
