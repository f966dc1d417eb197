package gui

import (
	"strconv"
	"strings"

	"fyne.io/fyne/v2/lang"

	"postern/client/profile"
)

// fieldKind is how a key of a profile is shown and written.
type fieldKind int

const (
	asText   fieldKind = iota
	asSecret           // text that isn't shown
	asList             // texts, with commas between
	asCheck            // true or false
	asNumber
	asChoice // one of several texts
	asFile   // a path
)

// profileField is a key of the profile's file as the editor has it.
type profileField struct {
	key, label, help string
	kind             fieldKind
	choices          []string
}

// profilePage is a page of the editor.
type profilePage struct {
	name   string
	fields []profileField
}

// profilePages are all keys of a profile, in the editor's order. The first page is what
// most people need.
func profilePages() []profilePage {
	return []profilePage{
		{lang.L("Simple"), []profileField{
			{"name", lang.L("Name"), lang.L("What you call the connection."), asText, nil},
			{"gateway", lang.L("Gateway"), lang.L("A host name or address, with “:port” where it isn't 500."), asText, nil},
			{"mode", lang.L("Mode"), lang.L("Aggressive where the administrator named a group and a group key."), asChoice, []string{"main", "aggressive"}},
			{"identity", lang.L("Group"), lang.L("The group's name, or how else the gateway knows you. Empty: by your address."), asText, nil},
			{"secret", lang.L("Group key"), lang.L("The pre-shared key. It is kept in your keyring where there is one. Empty: as it was, or asked for."), asSecret, nil},
			{"user", lang.L("User name"), lang.L("Empty: asked for."), asText, nil},
			{"password", lang.L("Password"), lang.L("It is kept in your keyring where there is one. Empty: as it was, or asked for."), asSecret, nil},
		}},
		{lang.L("Gateway"), []profileField{
			{"backup", lang.L("Backup gateways"), lang.L("Tried in this order when the first one doesn't answer."), asList, nil},
			{"vendor", lang.L("Maker"), lang.L("Whose gateway this is, where it doesn't say so itself."), asChoice, []string{"auto", "cisco", "checkpoint", "netscreen", "fortigate"}},
			{"identity_type", lang.L("Form of the group"), lang.L("How the group's name is sent. Most gateways want key-id."), asChoice, []string{"", "key-id", "fqdn", "user-fqdn", "address", "dn"}},
			{"gateway_identity", lang.L("Gateway's name"), lang.L("What the gateway must call itself. Empty: anything that it proves."), asText, nil},
			{"secret_encoding", lang.L("Key is written as"), lang.L("How the group key is written down."), asChoice, []string{"text", "hex", "base64"}},
			{"secret_file", lang.L("Key's file"), lang.L("A file with the group key, for your eyes alone."), asFile, nil},
			{"vpn5000", lang.L("VPN 5000"), lang.L("The Cisco VPN 5000's own exchanges."), asChoice, []string{"off", "auto", "required"}},
			{"radius", lang.L("VPN 5000: RADIUS"), lang.L("How the password travels before phase 1."), asChoice, []string{"", "pap", "chap", "challenge"}},
			{"pap_auth_secret", lang.L("VPN 5000: PAP secret"), lang.L("What protects the password on its way."), asSecret, nil},
		}},
		{lang.L("Login"), []profileField{
			{"auth", lang.L("Authentication"), lang.L("How both ends prove who they are: by a key they share, by certificates, or the gateway alone by one (hybrid)."), asChoice, []string{"psk", "rsa", "dss", "ecdsa", "hybrid", "rsa-encryption", "rsa-revised"}},
			{"xauth", lang.L("Asks for a user"), lang.L("Whether the gateway asks for a user name and password."), asChoice, []string{"true", "false", "optional"}},
			{"password_file", lang.L("Password's file"), lang.L("A file with the password, for your eyes alone."), asFile, nil},
			{"domain", lang.L("Domain"), lang.L("Sent where the gateway asks for one."), asText, nil},
			{"otp", lang.L("One-time codes"), lang.L("How they are made here. Empty: they are asked for."), asChoice, []string{"", "totp", "otp", "skey"}},
			{"otp_secret", lang.L("Codes' secret"), lang.L("What the codes are made of: the seed in base32, or the otpauth address behind the QR code."), asSecret, nil},
			{"otp_secret_file", lang.L("Codes' secret's file"), lang.L("A file with it, for your eyes alone."), asFile, nil},
			{"certificate", lang.L("Your certificate"), lang.L("PEM, DER, PKCS #7 or PKCS #12, or the pkcs11 address of a token."), asFile, nil},
			{"key", lang.L("Your private key"), lang.L("Empty: it is in the certificate's file."), asFile, nil},
			{"key_passphrase", lang.L("Key's passphrase"), lang.L("Or the token's PIN. Empty: as it was, or asked for."), asSecret, nil},
			{"key_passphrase_file", lang.L("Passphrase's file"), lang.L("A file with it, for your eyes alone."), asFile, nil},
			{"ca", lang.L("Authorities"), lang.L("Whose certificates prove the gateway."), asFile, nil},
			{"crl", lang.L("Revocation lists"), lang.L("Files with revoked certificates."), asList, nil},
			{"gateway_certificate", lang.L("Gateway's certificate"), lang.L("The gateway has to show exactly this one."), asFile, nil},
			{"gateway_pin", lang.L("Gateway's fingerprint"), lang.L("“sha256:” and hexadecimal digits: of its certificate or its key."), asText, nil},
			{"certificates.allow_sha1", lang.L("Take SHA-1"), lang.L("Old gateways' certificates are signed with it. It can be forged."), asCheck, nil},
			{"certificates.min_rsa_bits", lang.L("Shortest RSA key"), lang.L("In bits. Old gateways have 1024."), asNumber, nil},
		}},
		{lang.L("Encryption"), []profileField{
			{"ike", lang.L("Phase 1 offers"), lang.L("In order of preference, such as aes256-sha256-modp2048. Old gateways want 3des-sha1-modp1024."), asList, nil},
			{"esp", lang.L("Phase 2 offers"), lang.L("In order of preference, such as aes256-sha256."), asList, nil},
			{"pfs", lang.L("Fresh keys (PFS)"), lang.L("off, auto, or a group such as modp2048."), asText, nil},
			{"lifetime.ike", lang.L("Phase 1 lives"), lang.L("Such as 8h. What the gateway grants counts where it is shorter."), asText, nil},
			{"lifetime.esp", lang.L("Phase 2 lives"), lang.L("Such as 1h."), asText, nil},
			{"dpd", lang.L("Probe after"), lang.L("How long the gateway may be silent, such as 30s; off: never."), asText, nil},
		}},
		{lang.L("Network"), []profileField{
			{"networks", lang.L("Networks"), lang.L("Go through the tunnel beside those that the gateway names, such as 10.0.0.0/8."), asList, nil},
			{"exclude", lang.L("Not these"), lang.L("Networks that never go through the tunnel."), asList, nil},
			{"default_route", lang.L("Everything"), lang.L("Send everything through the tunnel where nobody names a network."), asCheck, nil},
			{"local_lan", lang.L("Keep the LAN"), lang.L("The networks of this machine's own interfaces stay outside."), asCheck, nil},
			{"kill_switch", lang.L("Kill switch"), lang.L("What belongs into the tunnel never leaves outside it, not even while it is being made."), asCheck, nil},
			{"block_ipv6", lang.L("Block IPv6"), lang.L("Where everything goes through a tunnel for IPv4 only."), asCheck, nil},
			{"dns", lang.L("Gateway's name servers"), lang.L("Use them."), asCheck, nil},
			{"dns_servers", lang.L("Other name servers"), lang.L("In place of the gateway's."), asList, nil},
			{"search", lang.L("Domains"), lang.L("Beside the gateway's."), asList, nil},
			{"address", lang.L("Address inside"), lang.L("For gateways that assign none."), asText, nil},
			{"selectors", lang.L("Selectors"), lang.L("What phase 2 asks for: everything at once (any), each network (each), or what fits the gateway."), asChoice, []string{"auto", "any", "each"}},
			{"nat_traversal", lang.L("ESP in UDP"), lang.L("Where there is a NAT (auto), always (force), or never (off)."), asChoice, []string{"auto", "force", "off"}},
			{"source_port", lang.L("Own port"), lang.L("0: any. 500 where the gateway wants it."), asNumber, nil},
			{"mtu", lang.L("Packet size"), lang.L("The largest packet inside, in octets. 0: worked out."), asNumber, nil},
			{"interface", lang.L("Interface"), lang.L("The device's name. Empty: the system chooses."), asText, nil},
			{"autoconnect", lang.L("Connect at start"), lang.L("As soon as the service, or this window, starts."), asCheck, nil},
		}},
	}
}

// shown is a value of the profile's file as the editor shows it.
func (f profileField) shown(value string) string {
	switch f.kind {
	case asSecret:
		return ""
	case asList:
		return strings.Join(unquoteAll(value), ", ")
	}
	if s, err := strconv.Unquote(value); err == nil {
		return s
	}
	return value
}

// unquoteAll are the texts of a list in TOML as profile.Settings writes it.
func unquoteAll(list string) (out []string) {
	rest := strings.TrimSuffix(strings.TrimPrefix(list, "["), "]")
	for rest != "" {
		q, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return out
		}
		s, _ := strconv.Unquote(q) // QuotedPrefix saw to it
		out = append(out, s)
		rest = strings.TrimPrefix(rest[len(q):], ", ")
	}
	return out
}

// written is what was typed as the profile's file has it; "": leave the key out.
func (f profileField) written(typed string) string {
	typed = strings.TrimSpace(typed)
	switch {
	case typed == "":
		return ""
	case f.kind == asCheck, f.kind == asNumber, f.key == "xauth" && typed != string(profile.XAuthOptional):
		return typed
	case f.kind == asList:
		var quoted []string
		for _, s := range strings.FieldsFunc(typed, func(r rune) bool { return r == ',' || r == '\n' }) {
			if s = strings.TrimSpace(s); s != "" {
				quoted = append(quoted, quote(s))
			}
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	}
	return quote(typed)
}

// nothing is how the profile's file says that a key has no value.
func (f profileField) nothing() string {
	if f.kind == asList {
		return "[]"
	}
	return `""`
}

// quote writes a text as a basic string of TOML.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			b.WriteString(`\u00` + strconv.FormatInt(int64(r)+0x100, 16)[1:])
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
