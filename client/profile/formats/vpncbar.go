package formats

import (
	"encoding/json"
	"strings"
)

// vpncbar, profiles.json: a list of objects with the choices that vpncbar hands to
// vpnc. Secrets are in the keyring, never in the file.
//
// Source: vpncbar-linux, src/model.rs and src/backend/vpnc.rs.
var vpncbar = importer{
	name: "vpncbar",
	recognise: func(f *text) bool {
		list := readBars(f)
		return len(list) > 0 && list[0].Gateway != "" && list[0].Name != ""
	},
	read: each(readVPNCBar),
}

// bar is one connection of vpncbar's.
type bar struct {
	UUID     string `json:"uuid"`
	Name     string `json:"name"`
	Gateway  string `json:"gateway"`
	ID       string `json:"id"`
	Username string `json:"username"`
	Kind     string `json:"kind"` // "openconnect", else vpnc

	AuthMode   string   `json:"authmode"`
	DHGroup    string   `json:"dhGroup"`
	PFS        string   `json:"pfs"`
	NATMode    string   `json:"natMode"`
	Vendor     string   `json:"vendor"`
	IfMode     string   `json:"ifmode"`
	Domain     string   `json:"domain"`
	DNSDomains string   `json:"dnsMatchDomains"`
	CAFile     string   `json:"caFile"`
	ClientCert string   `json:"clientCert"`
	AppVersion string   `json:"appVersion"`
	LocalAddr  string   `json:"localAddr"`
	LocalPort  string   `json:"localPort"`
	UDPPort    string   `json:"udpPort"`
	MTU        string   `json:"mtu"`
	DPD        string   `json:"dpdTimeout"`
	Debug      string   `json:"debug"`
	Weak       *bool    `json:"enableWeak"` // true unless it says otherwise
	SingleDES  bool     `json:"singleDES"`
	NoEncrypt  bool     `json:"noEncryption"`
	WeakAuth   bool     `json:"weakAuth"`
	Extra      []string `json:"extra"` // lines for vpnc
}

// readBars returns nil for a file that isn't such a list.
func readBars(f *text) []bar {
	var list []bar
	if !strings.HasPrefix(strings.TrimSpace(f.body), "[") || json.Unmarshal([]byte(f.body), &list) != nil {
		return nil
	}
	return list
}

func readVPNCBar(r *reading, f *text) {
	for _, b := range readBars(f) {
		if b.Kind == "openconnect" {
			r.refuse(f, "the connection "+quoted(b.Name)+" is for AnyConnect (TLS), which is another protocol: use openconnect")
			continue
		}
		d := r.draft(f, b.Name)
		d.in.Source += ": " + clean(b.Name)
		in := b.directives(d)
		if b.ClientCert != "" && b.AuthMode == "cert" {
			d.named(at{key: "clientCert"}, "certificate", b.ClientCert)
		}
		d.vpnc(in)
		if b.DNSDomains != "" {
			d.set(at{key: "dnsMatchDomains"}, "search", strings.FieldsFunc(b.DNSDomains, func(r rune) bool { return r == ',' || r == ' ' }))
		}
		in.rest(d)
		d.guessed(at{}, "Secrets are in vpncbar's keyring, not in the file: they will be asked for.")
		d.done()
		if r.dropped {
			return
		}
	}
}

// directives are what vpncbar writes for vpnc.
func (b *bar) directives(d *draft) *section {
	in := &section{}
	add := func(key, value string) {
		if value = strings.TrimSpace(value); value != "" && in.at(key).key == "" {
			in.set(setting{key: key, value: value})
		}
	}
	is := func(b bool) string {
		if b {
			return isSet
		}
		return "no"
	}
	if domain, user, ok := strings.Cut(b.Username, `\`); ok {
		add("Domain", domain)
		b.Username = user
	}
	for _, kv := range [][2]string{
		{"IPSec gateway", b.Gateway},
		{"IPSec ID", b.ID},
		{"Xauth username", b.Username},
		{"Domain", b.Domain},
		{"IKE Authmode", b.AuthMode},
		{"IKE DH Group", b.DHGroup},
		{"Perfect Forward Secrecy", b.PFS},
		{"NAT Traversal Mode", b.NATMode},
		{"Vendor", b.Vendor},
		{"Interface mode", b.IfMode},
		{"CA-File", b.CAFile},
		{"Application version", b.AppVersion},
		{"Local Addr", b.LocalAddr},
		{"Local Port", b.LocalPort},
		{"Cisco UDP Encapsulation Port", b.UDPPort},
		{"Interface MTU", b.MTU},
		{"DPD idle timeout (our side)", b.DPD},
		{"Debug", b.Debug},
		{"Enable weak encryption", is(b.Weak == nil || *b.Weak)},
		{"Enable Single DES", is(b.SingleDES)},
		{"Enable no encryption", is(b.NoEncrypt)},
		{"Enable weak authentication", is(b.WeakAuth)},
	} {
		add(kv[0], kv[1])
	}
	for _, line := range b.Extra {
		if name, value, _ := vpncDirective(line); name != "" {
			add(name, value)
		} else {
			d.warn(at{key: "extra"}, "A directive is unknown.")
		}
	}
	return in
}
