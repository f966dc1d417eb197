package profile

import (
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Setting is a key with its value as TOML has it; of a secret it is "…".
type Setting struct{ Key, Value string }

// Settings lists what differs from the defaults, in the order of the documentation.
// With all it lists everything.
func (p *Profile) Settings(all bool) []Setting {
	now, before := p.settings(), Default().settings()
	var out []Setting
	for i, s := range now {
		if all || i >= len(before) || s != before[i] {
			out = append(out, s)
		}
	}
	return out
}

func (p *Profile) settings() []Setting {
	var out []Setting
	for _, s := range []struct {
		key   string
		value any
	}{
		{"name", p.Name},
		{"gateway", gatewayText(p.Gateway)},
		{"backup", p.Backup},
		{"mode", p.Mode},
		{"identity", p.Identity},
		{"identity_type", p.IdentityType},
		{"gateway_identity", p.GatewayIdentity},
		{"auth", p.Auth},
		{"secret", p.Secret},
		{"secret_encoding", p.SecretEncoding},
		{"secret_file", p.SecretFile},
		{"certificate", p.Certificate},
		{"key", p.Key},
		{"key_passphrase", p.KeyPassphrase},
		{"key_passphrase_file", p.KeyPassphraseFile},
		{"ca", p.CA},
		{"crl", p.CRL},
		{"gateway_certificate", p.GatewayCertificate},
		{"gateway_pin", p.GatewayPin},
		{"certificates.allow_sha1", p.Certificates.AllowSHA1},
		{"certificates.min_rsa_bits", p.Certificates.MinRSABits},
		{"xauth", p.XAuth},
		{"user", p.User},
		{"password", p.Password},
		{"password_file", p.PasswordFile},
		{"domain", p.Domain},
		{"otp", p.OTP},
		{"otp_secret", p.OTPSecret},
		{"otp_secret_file", p.OTPSecretFile},
		{"vpn5000", p.VPN5000},
		{"radius", p.RADIUS},
		{"pap_auth_secret", p.PAPAuthSecret},
		{"vendor", p.Vendor},
		{"ike", p.IKE},
		{"esp", p.ESP},
		{"pfs", p.PFS},
		{"selectors", p.Selectors},
		{"nat_traversal", p.NATTraversal},
		{"source_port", p.SourcePort},
		{"address", p.Address},
		{"networks", p.Networks},
		{"exclude", p.Exclude},
		{"default_route", p.DefaultRoute},
		{"local_lan", p.LocalLAN},
		{"dns", p.DNS},
		{"dns_servers", p.DNSServers},
		{"search", p.Search},
		{"mtu", p.MTU},
		{"dpd", p.DPD},
		{"interface", p.Interface},
		{"autoconnect", p.Autoconnect},
		{"kill_switch", p.KillSwitch},
		{"block_ipv6", p.BlockIPv6},
		{"lifetime.ike", p.Lifetime.IKE},
		{"lifetime.esp", p.Lifetime.ESP},
	} {
		out = append(out, Setting{s.key, written(s.value)})
	}
	return append(out, p.Policy.settings()...)
}

func gatewayText(g Gateway) string {
	if g.Host == "" {
		return ""
	}
	return g.String()
}

// written is a value as TOML has it.
func written(value any) string {
	switch v := value.(type) {
	case Secret:
		if v == nil {
			return `""`
		}
		return `"` + hidden + `"`
	case XAuth:
		if v == XAuthOptional {
			return strconv.Quote(string(v))
		}
		return string(v)
	case SaveSecrets:
		if v == SaveAsGatewaySays {
			return strconv.Quote(string(v))
		}
		return string(v)
	case bool, int, uint16:
		return fmt.Sprint(v)
	case time.Duration:
		if v == 0 {
			return strconv.Quote(Off)
		}
		return strconv.Quote(short(v))
	case netip.Addr:
		if !v.IsValid() {
			return `""`
		}
		return strconv.Quote(v.String())
	}
	v := reflect.ValueOf(value)
	if v.Kind() != reflect.Slice {
		return strconv.Quote(fmt.Sprint(value))
	}
	var list []string
	for i := range v.Len() {
		list = append(list, strconv.Quote(fmt.Sprint(v.Index(i))))
	}
	return "[" + strings.Join(list, ", ") + "]"
}
