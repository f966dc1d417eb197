package formats

import (
	"net/netip"
	"slices"
	"strings"
)

// nmLibreswanKeys are NetworkManager's names for keys of an ipsec.conf, where they
// differ.
var nmLibreswanKeys = map[string]string{"vendor": "remote-peer-type", "dhgroup": "pfsgroup"}

// nmLibreswan reads a connection of the libreswan plugin, or its old name openswan:
// always our side is the left one. It returns false where the connection was refused.
func (d *draft) nmLibreswan(in nmFile) bool {
	v2, a := in.vpn.get("ikev2"), in.vpn.at("ikev2")
	switch v2 {
	case "", "no", "never", "permit":
	default:
		d.r.warn(d.f, a, "this is a connection of NetworkManager's libreswan plugin that"+onlyIKEv2)
		return false
	}
	c := &conn{kind: "conn"}
	for i := range in.vpn.keys {
		k := &in.vpn.keys[i]
		if k.used || slices.Contains(nmLibreswanOwn, k.key) {
			continue
		}
		k.used = true
		named := *k
		named.used = false
		if name := nmLibreswanKeys[k.key]; name != "" {
			named.key = name
		}
		switch k.key {
		case "vendor":
			named.value = strings.ToLower(k.value)
		case "leftid", "rightid":
			named.value = nmID(k.value)
		}
		c.set(named)
	}
	add := func(key, value string) {
		if !c.has(key) {
			c.set(setting{key: key, value: value})
		}
	}
	d.nmSecret(in, "secret", "pskvalue")
	d.nmSecret(in, "password", "xauthpassword")
	for _, key := range nmLibreswanOwn {
		in.vpn.get(key)
	}
	add("left", "%defaultroute")
	d.gateways(c.at("right"), list(c.get("right")), "")
	d.set(at{}, "mode", "main")
	if c.get("leftcert") == "" {
		add("authby", "secret")
	}
	add("leftxauthclient", isSet)
	add("leftmodecfgclient", isSet)
	if id := c.get("leftid"); id != "" && c.get("leftcert") == "" {
		d.set(c.at("leftid"), "mode", "aggressive")
		add("esp", "aes256-sha1")
		d.guessed(c.at("leftid"), "An identity makes the plugin use Aggressive Mode.")
	}
	add("pfs", isSet)
	add("ikelifetime", "24h")
	add("salifetime", "24h")
	ipsecAuth(d, c, "left", "right")
	ipsecProposals(d, c)
	ipsecNetwork(d, c, "left", "right")
	ipsecTimes(d, c)
	for _, key := range []string{
		"left", "leftmodecfgclient", "leftrsasigkey", "rightrsasigkey", "fragmentation", "mobike", "rekey", "narrowing",
		"Domain", "nm-auto-defaults", "hostaddrfamily", "clientaddrfamily", "leftsendcert", "dpdaction", "type",
	} {
		c.get(key)
	}
	c.rest(d)
	return true
}

// nmID is an identity as the plugin hands it on: with "@" unless it is marked already.
func nmID(id string) string {
	if _, err := netip.ParseAddr(id); err == nil || id[0] == '@' || id[0] == '%' {
		return id
	}
	return "@" + id
}

// nmLibreswanOwn are the plugin's keys that aren't an ipsec.conf's.
var nmLibreswanOwn = []string{"service-type", "ikev2", "pskinputmodes", "xauthpasswordinputmodes", "pskvalue-flags", "xauthpassword-flags", "pskvalue", "xauthpassword"}
