package formats

import (
	"regexp"
	"slices"
	"strings"
)

// NetworkManager, .nmconnection: a keyfile of GLib's. [vpn] has what the plugin that
// service-type names makes of it: of vpnc's the directives of vpnc, of libreswan's the
// keys of an ipsec.conf.
//
// Source: nm-settings-keyfile(5); NetworkManager-vpnc, shared/nm-service-defines.h;
// nm-settings-libreswan(5).
var networkManager = importer{
	name: "networkmanager",
	recognise: func(f *text) bool {
		return f.hasSection("connection") && (f.hasKey("service-type") || f.hasKey("uuid"))
	},
	read: each(readNM),
}

const nmService = "org.freedesktop.NetworkManager."

// nmRefused are the plugins whose connections can't be had, and why.
var nmRefused = map[string]string{
	"l2tp":           "this is a connection of NetworkManager's L2TP plugin, which is IPsec in transport mode with L2TP and PPP, and knows neither XAuth nor Mode Config: use that plugin",
	"strongswan":     "this is a connection of NetworkManager's strongSwan plugin, which" + onlyIKEv2,
	"openvpn":        "this is a connection of NetworkManager's OpenVPN plugin" + elsewhere + "use that plugin",
	"openconnect":    "this is a connection of NetworkManager's openconnect plugin" + elsewhere + "use that plugin",
	"pptp":           "this is a connection of NetworkManager's PPTP plugin" + elsewhere + "use that plugin",
	"sstp":           "this is a connection of NetworkManager's SSTP plugin" + elsewhere + "use that plugin",
	"fortisslvpn":    "this is a connection of NetworkManager's Fortinet SSL VPN plugin" + elsewhere + "use that plugin",
	"iodine":         "this is a connection of NetworkManager's iodine plugin" + elsewhere + "use that plugin",
	"ssh":            "this is a connection of NetworkManager's SSH plugin" + elsewhere + "use that plugin",
	"wireguard":      "this is a WireGuard connection of NetworkManager's" + elsewhere + "use NetworkManager",
	"globalprotect":  "this is a connection of NetworkManager's GlobalProtect plugin" + elsewhere + "use that plugin",
	"vpn-or-unknown": "this is a connection of a NetworkManager plugin that isn't known here",
}

// nmFile is a keyfile's sections.
type nmFile struct {
	connection, vpn, secrets, ipv4, ipv6 *section
	others                               []*section
}

func readNM(r *reading, f *text) {
	dialect := ini{comments: "#;", key: func(name string) string { return name }, known: func(key string) bool {
		_, directive := vpncDirectives[key]
		return directive || slices.Contains(nmLibreswanOwn, key)
	}}
	sections, stray, err := dialect.parse(f)
	if err != nil {
		r.refuse(f, err.Error())
		return
	}
	in := nmSections(sections)
	service := strings.TrimPrefix(in.vpn.get("service-type"), nmService)
	if kind := in.connection.get("type"); service == "" && kind != "vpn" {
		service = kind
		if nmRefused[kind] == "" {
			r.refuse(f, "this is a connection of NetworkManager's, but no VPN")
			return
		}
	}
	d := r.draft(f, in.connection.get("id"))
	for _, line := range stray {
		d.ignored(at{line: line}, "The line is no key with a value.")
	}
	switch service {
	case "vpnc":
		d.nmVPNC(in)
	case "libreswan", "openswan":
		if !d.nmLibreswan(in) {
			return
		}
	default:
		why := nmRefused[service]
		if why == "" {
			why = nmRefused["vpn-or-unknown"]
		}
		r.refuse(f, why)
		return
	}
	d.nmConnection(in)
	d.nmIPv4(in.ipv4)
	for _, s := range append([]*section{in.connection, in.vpn, in.secrets, in.ipv4}, in.others...) {
		s.rest(d)
	}
	d.done()
}

// nmSections sorts the sections and takes back the escapes in their values.
func nmSections(sections []*section) nmFile {
	in := nmFile{connection: &section{}, vpn: &section{}, secrets: &section{}, ipv4: &section{}, ipv6: &section{}}
	unescape := strings.NewReplacer(`\s`, " ", `\t`, "\t", `\n`, "\n", `\r`, "\r", `\\`, `\`)
	for _, s := range sections {
		for i := range s.keys {
			s.keys[i].value = unescape.Replace(s.keys[i].value)
		}
		switch s.name {
		case "connection":
			in.connection = s
		case "vpn":
			in.vpn = s
		case "vpn-secrets":
			in.secrets = s
		case "ipv4":
			in.ipv4 = s
		case "ipv6", "proxy", "": // of no use without a section of its own
		default:
			in.others = append(in.others, s)
		}
	}
	return in
}

// nmConnection reads what every connection has.
func (d *draft) nmConnection(in nmFile) {
	c := in.connection
	for _, key := range []string{"id", "uuid", "type", "timestamp"} {
		c.get(key)
	}
	if name := c.get("interface-name"); name != "" {
		d.set(c.at("interface-name"), "interface", name)
	}
	if yes(c.get("autoconnect")) {
		d.set(c.at("autoconnect"), "autoconnect", true)
	}
	if c.get("permissions") != "" {
		d.ignored(c.at("permissions"), "a profile belongs to the one who imports it")
	}
	in.vpn.get("service-type")
	for _, k := range []struct{ key, why string }{
		{"ipsec-secret-type", ""},
		{"xauth-password-type", ""},
		{"user-name", "is NetworkManager's own"},
		{"persistent", "the tunnel is kept up anyway"},
		{"timeout", "is NetworkManager's own"},
	} {
		if in.vpn.get(k.key) != "" && k.why != "" {
			d.ignored(in.vpn.at(k.key), k.why)
		}
	}
}

// nmSecret sets a secret, or says where it is: flags 1 is the keyring, 2 in nobody's
// memory, 4 not needed.
func (d *draft) nmSecret(in nmFile, key, name string) {
	flags, a := in.vpn.get(name+"-flags"), in.vpn.at(name+"-flags")
	if s := in.secrets.get(name); s != "" {
		d.secret(in.secrets.at(name), key, []byte(s))
		return
	}
	if s := in.vpn.get(name); s != "" { // of old versions
		d.secret(in.vpn.at(name), key, []byte(s))
		return
	}
	switch flags {
	case "1":
		d.warn(a, "the secret is in your keyring, not in the file: it will be asked for")
	case "2":
		d.guessed(a, "The secret is asked for each time.")
	}
}

func (d *draft) nmVPNC(in nmFile) {
	d.nmSecret(in, "secret", "IPSec secret")
	d.nmSecret(in, "password", "Xauth password")
	directives := &section{}
	for i := range in.vpn.keys {
		k := &in.vpn.keys[i]
		if k.key == "Application Version" {
			k.key = "Application version"
		}
		if _, known := vpncDirectives[k.key]; known && !k.used {
			directives.set(*k)
			k.used = true
		}
	}
	d.vpnc(directives)
	directives.rest(d)
}

var nmRoute = regexp.MustCompile(`^(route|routes)[0-9]+$`)

// nmIPv4 reads what goes through the tunnel.
func (d *draft) nmIPv4(in *section) {
	in.get("method")
	if yes(in.get("never-default")) {
		d.set(in.at("never-default"), "default_route", false)
	}
	var networks, search []string
	for i := range in.keys {
		k := &in.keys[i]
		if nmRoute.MatchString(k.key) { // "route1=10.0.0.0/8,0.0.0.0,50": network, gateway, metric
			k.used = true
			network, _, _ := strings.Cut(k.value, ",")
			networks = append(networks, network)
		}
	}
	if len(networks) > 0 {
		d.networks(at{key: "route1"}, append(d.strings("networks"), networks...))
	}
	servers := split(in.get("dns"), ";")
	for _, s := range split(in.get("dns-search"), ";") {
		if s = strings.TrimPrefix(s, "~"); s != "." {
			search = append(search, s)
		}
	}
	if len(servers) > 0 {
		d.set(in.at("dns"), "dns_servers", servers)
	}
	if len(search) > 0 {
		d.set(in.at("dns-search"), "search", search)
	}
	if yes(in.get("ignore-auto-dns")) && len(servers) == 0 {
		d.set(in.at("ignore-auto-dns"), "dns", false)
	}
	if yes(in.get("ignore-auto-routes")) {
		d.warn(in.at("ignore-auto-routes"), "the gateway's networks are always used: leave some out with exclude")
	}
}
