package formats

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"postern/client/profile"
)

// strongSwan's swanctl.conf: swanctl.conf(5) of strongSwan 5.9.

var swanctlMark = regexp.MustCompile(`(?m)^[ \t]*(connections|secrets|authorities|pools)\s*\{`)

var swanctl = importer{
	name:      "swanctl",
	recognise: func(f *text) bool { return swanctlMark.MatchString(f.body) },
	read:      readSwanctl,
}

// readSwanctl takes all its files as one, as swanctl does with its folder conf.d.
func readSwanctl(r *reading, files []*text) {
	type found struct {
		f    *text
		root *section
	}
	var all []found
	secrets := &section{}
	for _, f := range files {
		root, warnings, err := parseSettings(f.body)
		if err != nil {
			r.fault(f, err)
			continue
		}
		for _, n := range warnings {
			r.warn(f, at{line: n.Line, key: n.Key}, n.Text)
		}
		all = append(all, found{f, root})
		if s := root.child("secrets"); s != nil {
			secrets.sections = append(secrets.sections, s.sections...)
		}
	}
	for _, x := range all {
		connections := x.root.child("connections")
		if connections == nil {
			continue
		}
		for _, c := range connections.sections {
			c.used = true
			swanctlConnection(r, x.f, c, secrets, len(connections.sections) == 1 && len(all) == 1)
		}
	}
}

// fault says where a file isn't what it looks like.
func (r *reading) fault(f *text, err error) {
	if e, ok := err.(*profile.Error); ok {
		r.warn(f, at{line: e.Line, key: e.Key}, e.Problem)
		return
	}
	r.refuse(f, err.Error())
}

// rounds are the sections of a connection for one side, "local" or "remote", in order.
func rounds(c *section, side string) []*section {
	var out []*section
	for _, s := range c.sections {
		if s.name == side || strings.HasPrefix(s.name, side+"-") {
			s.used = true
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b *section) int {
		return cmp.Compare(cmp.Or(a.get("round"), a.name), cmp.Or(b.get("round"), b.name))
	})
	return out
}

func swanctlConnection(r *reading, f *text, c, secrets *section, only bool) {
	here := at{line: c.line, key: c.name}
	switch c.get("version") {
	case "1":
	case "2":
		r.warn(f, here, "this connection is IKEv2, which postern doesn't speak")
		return
	default:
		r.warn(f, here, "this connection takes IKEv1 or IKEv2; set version = 1 if its gateway speaks IKEv1")
		return
	}
	gateways := list(c.get("remote_addrs"))
	if len(gateways) == 0 || strings.HasPrefix(gateways[0], "%") {
		r.warn(f, here, "this connection names no gateway (remote_addrs): it waits for others")
		return
	}
	d := r.draft(f, c.name)
	d.in.Source = f.name + ": " + clean(c.name)
	d.gateways(c.at("remote_addrs"), gateways, c.get("remote_port"))
	d.set(c.at("aggressive"), "mode", string(profile.MainMode))
	if yes(c.get("aggressive")) {
		d.set(c.at("aggressive"), "mode", string(profile.AggressiveMode))
	}
	swanctlAuth(d, c)
	d.proposals(c.at("proposals"), "ike", cmp.Or(c.get("proposals"), "default"))
	swanctlTimes(d, c)
	swanctlChildren(d, c)
	if yes(c.get("encap")) {
		d.set(c.at("encap"), "nat_traversal", profile.NATTraversalForced)
	}
	swanctlAddress(d, c)
	swanctlSecrets(d, c, secrets, only)
	d.privateKey()
	for _, key := range []string{"pull", "fragmentation", "local_addrs", "mobike", "keyingtries", "unique", "send_cert", "send_certreq"} {
		c.get(key) // what postern does by itself
	}
	c.rest(d)
	d.done()
}

// list splits at commas.
func list(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// gateways sets the gateway and those to fall back on.
func (d *draft) gateways(a at, hosts []string, port string) {
	for i, h := range hosts {
		if port != "" && port != "500" {
			if strings.Contains(h, ":") {
				h = "[" + h + "]"
			}
			hosts[i] = h + ":" + port
		}
	}
	if len(hosts) > 0 {
		d.set(a, "gateway", hosts[0])
	}
	if len(hosts) > 1 {
		d.set(a, "backup", hosts[1:])
	}
}

// swanctlAuth finds how both sides authenticate.
func swanctlAuth(d *draft, c *section) {
	method := ""
	d.set(at{}, "xauth", false)
	locals, remotes := rounds(c, "local"), rounds(c, "remote")
	for _, s := range locals {
		auth := cmp.Or(s.get("auth"), "pubkey")
		switch {
		case strings.HasPrefix(auth, "xauth"):
			d.set(s.at("auth"), "xauth", true)
			if user := cmp.Or(s.get("xauth_id"), s.get("id")); user != "" {
				d.set(s.at("xauth_id", "id"), "user", user)
			}
			continue
		case auth == "psk":
			method = string(profile.AuthPSK)
		case auth == "pubkey", strings.HasPrefix(auth, "rsa"):
			method = string(profile.AuthRSA)
		case strings.HasPrefix(auth, "ecdsa"):
			method = string(profile.AuthECDSA)
		default:
			d.warn(s.at("auth"), quoted(auth)+" is no way to log in with IKEv1")
		}
		if certs := list(s.get("certs")); len(certs) > 0 && method != string(profile.AuthPSK) {
			d.named(s.at("certs"), "certificate", certs[0])
		}
		if id := s.get("id"); id != "" {
			d.identity(s.at("id"), id)
		}
	}
	if method == "" && len(remotes) > 0 { // the gateway has a certificate, we log in with XAuth alone
		method = string(profile.AuthHybrid)
	}
	d.set(c.at("local"), "auth", cmp.Or(method, string(profile.AuthPSK)))
	for _, s := range remotes {
		s.get("auth")
		if id := s.get("id"); id != "" {
			d.peer(s.at("id"), id)
		}
		if method == string(profile.AuthPSK) {
			continue
		}
		if ca := list(s.get("cacerts")); len(ca) > 0 {
			d.named(s.at("cacerts"), "ca", ca[0])
		}
		if certs := list(s.get("certs")); len(certs) > 0 {
			d.named(s.at("certs"), "gateway_certificate", certs[0])
		}
	}
}

// swanctlTimes takes lifetimes and dead peer detection over.
func swanctlTimes(d *draft, c *section) {
	if life := c.get("reauth_time", "rekey_time"); life != "" {
		d.seconds(c.at("reauth_time", "rekey_time"), "lifetime.ike", life)
	}
	if delay := c.get("dpd_delay"); delay != "" {
		d.seconds(c.at("dpd_delay"), "dpd", delay)
	}
	if timeout := c.get("dpd_timeout"); timeout != "" {
		d.ignored(c.at("dpd_timeout"), "has no place in a profile: it follows from dpd")
	}
}

// swanctlAddress takes over an address that isn't assigned by the gateway.
func swanctlAddress(d *draft, c *section) {
	for _, v := range list(c.get("vips")) {
		if v != "0.0.0.0" && v != "::" && v != "0::0" {
			d.ignored(c.at("vips"), "asks the gateway for a certain address, which is left to the gateway")
		}
	}
}

// swanctlChildren joins what the children of a connection say.
func swanctlChildren(d *draft, c *section) {
	children := c.child("children")
	if children == nil || len(children.sections) == 0 {
		d.proposals(at{}, "esp", "default")
		return
	}
	var networks []string
	first := children.sections[0]
	for _, s := range children.sections {
		s.used = true
		networks = append(networks, list(s.get("remote_ts"))...)
		if script := s.get("updown"); script != "" {
			d.warn(s.at("updown"), "the script isn't imported: nothing that a file names is ever run")
		}
		if s.get("mode") == "transport" {
			d.warn(s.at("mode"), "transport mode can't be had; the tunnel is one")
		}
		for _, key := range []string{"local_ts", "start_action", "close_action", "dpd_action", "life_time", "rekey_bytes"} {
			s.get(key)
		}
	}
	d.networks(first.at("remote_ts"), networks)
	proposals := cmp.Or(first.get("esp_proposals"), "default")
	if yes(first.get("sha256_96")) {
		proposals = truncated(proposals)
	}
	d.proposals(first.at("esp_proposals"), "esp", proposals)
	if life := first.get("rekey_time", "life_time"); life != "" {
		d.seconds(first.at("rekey_time", "life_time"), "lifetime.esp", life)
	}
	for _, s := range children.sections[1:] {
		if p := s.get("esp_proposals"); p != "" && p != first.get("esp_proposals") {
			d.warn(s.at("esp_proposals"), "those of the first child count for all networks")
		}
	}
}

// truncated makes the SHA-256 of ESP proposals the one that is cut to 96 bits.
func truncated(proposals string) string {
	return sha256Word.ReplaceAllString(proposals, "${1}sha256_96${2}")
}

var sha256Word = regexp.MustCompile(`(?i)(^|[-,; ])sha2?_?(?:256)(?:_128)?($|[-,; !])`)

// swanctlSecrets finds the secrets of a connection. only says that there is no other
// connection that they could belong to.
func swanctlSecrets(d *draft, c, secrets *section, only bool) {
	own := []string{d.text("identity"), d.text("gateway_identity"), d.text("gateway"), d.text("user")}
	for _, s := range secrets.sections {
		kind, _, _ := strings.Cut(s.name, "-")
		kind = strings.TrimRight(kind, "0123456789")
		secret, a := s.get("secret"), s.at("secret")
		if secret == "" {
			continue
		}
		var ids []string
		for _, k := range s.keys {
			if k.key == "id" || strings.HasPrefix(k.key, "id-") {
				_, id := swanIdentity(k.value)
				ids = append(ids, id)
			}
		}
		matches := slices.ContainsFunc(ids, func(id string) bool { return id != "" && slices.Contains(own, id) })
		switch {
		case kind == "ike" && d.text("auth") == string(profile.AuthPSK) && !d.has("secret") && (matches || len(ids) == 0 || only):
			d.keep(a, "secret", secret, false)
		case (kind == "xauth" || kind == "eap") && !d.has("password") && d.values["xauth"] == true && (matches || only && d.text("user") == ""):
			d.keep(a, "password", secret, false)
		case kind == "pkcs12" && d.wantsKey() && !d.has("certificate"):
			d.named(s.at("file"), "certificate", cmp.Or(s.get("file"), s.name))
			d.keep(a, "key_passphrase", secret, false)
		case (kind == "private" || kind == "rsa" || kind == "ecdsa" || kind == "pkcs8") && d.wantsKey() && (only || s.get("file") == d.text("key")):
			if file := s.get("file"); file != "" {
				d.named(s.at("file"), "key", file)
			}
			d.keep(a, "key_passphrase", secret, false)
		}
	}
}
