package formats

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/client/profile"
)

// maxVPNCLine is where vpnc cuts a line, in octets.
const maxVPNCLine = 199

// directive is one of vpnc's with its value.
type directive struct{ name, value string }

// directivesOf are those that say what p says, without secrets. A flag's value is
// isSet, or "no" where it must not be set.
func directivesOf(p *profile.Profile) ([]directive, error) {
	group, err := numberOf(p.IKE[0].Group)
	if err != nil {
		return nil, err
	}
	out := []directive{
		{"IPSec gateway", p.Gateway.Host},
		{"IPSec ID", p.Identity},
		{"Xauth username", p.User},
		{"Domain", p.Domain},
		{"IKE DH Group", "dh" + group},
		{"NAT Traversal Mode", map[string]string{profile.Off: "none", profile.NATTraversalForced: "force-natt"}[p.NATTraversal]},
		{"Local Port", fmt.Sprint(p.SourcePort)},
	}
	if s := int(p.DPD / time.Second); s == 0 || s >= 10 { // vpnc takes no others
		out = append(out, directive{"DPD idle timeout (our side)", fmt.Sprint(s)})
	}
	switch pfs := groupNumber(p.PFS); {
	case p.PFS == profile.Off:
		out = append(out, directive{"Perfect Forward Secrecy", "nopfs"})
	case pfs != "":
		out = append(out, directive{"Perfect Forward Secrecy", "dh" + pfs})
	default:
		out = append(out, directive{"Perfect Forward Secrecy", "server"})
	}
	if p.Vendor != profile.Auto && slices.Contains([]string{"cisco", "netscreen", "fortigate"}, p.Vendor) {
		out = append(out, directive{"Vendor", p.Vendor})
	}
	if p.Auth == profile.AuthHybrid {
		out = append(out, directive{"IKE Authmode", "hybrid"}, directive{"CA-File", p.CA})
	}
	if p.MTU != 0 {
		out = append(out, directive{"Interface MTU", fmt.Sprint(p.MTU)})
	}
	return append(out, weakDirectives(p)...), nil
}

// weakDirectives say which of vpnc's algorithms p has.
func weakDirectives(p *profile.Profile) []directive {
	ciphers, hashes := map[string]bool{}, map[string]bool{}
	for _, e := range p.ESP {
		ciphers[e.Cipher], hashes[e.Integrity] = true, true
	}
	var out []directive
	switch {
	case ciphers["des"]:
		out = append(out, directive{"Enable weak encryption", isSet})
	case !ciphers["3des"]:
		out = append(out, directive{"Enable weak encryption", "no"})
	}
	if ciphers["null"] {
		out = append(out, directive{"Enable no encryption", isSet})
	}
	if !hashes["md5"] {
		out = append(out, directive{"Enable weak authentication", "no"})
	}
	return out
}

// exportVPNC writes a file for vpnc.
func exportVPNC(p *profile.Profile, secrets bool) ([]byte, []Note, error) {
	list, err := directivesOf(p)
	if err != nil {
		return nil, nil, err
	}
	list = append(list, directive{"Interface name", p.Interface})
	if len(p.Networks) == 1 && p.Selectors == profile.SelectorsEach {
		list = append(list, directive{"IPSEC target network", p.Networks[0].String()})
	}
	if secrets {
		list = append(list, vpncSecretOf("IPSec secret", "IPSec obfuscated secret", p.Secret))
		list = append(list, vpncSecretOf("Xauth password", "Xauth obfuscated password", p.Password))
	}
	var b strings.Builder
	for _, d := range list {
		takes := vpncDirectives[d.name]
		switch line := d.name + " " + inQuotes(d.value); {
		case !takes && d.value == isSet:
			b.WriteString(d.name + "\n")
		case takes && d.value != "" && clean(d.value) == d.value && len(line) <= maxVPNCLine:
			b.WriteString(line + "\n")
		}
	}
	var notes []Note
	if slices.ContainsFunc(p.ESP, func(e profile.ESPProposal) bool { return e.Cipher == "3des" }) && !offersDES(p) {
		notes = append(notes, Note{Text: `vpnc of today takes 3DES only with "Enable weak encryption", which adds DES; it isn't written.`})
	}
	return []byte(b.String()), notes, nil
}

// inQuotes puts a value in quotes where they protect what stands at its ends.
func inQuotes(s string) string {
	if s != strings.Trim(s, " \t") || strings.HasPrefix(s, `"`) {
		return `"` + s + `"`
	}
	return s
}

// vpncSecretOf writes a secret in the way that nobody reads over a shoulder, or where
// that is too long in clear.
func vpncSecretOf(plain, obscure string, s profile.Secret) directive {
	blob := obscured(s, true)
	if len(obscure)+1+len(blob) > maxVPNCLine {
		return directive{plain, string(s)}
	}
	return directive{obscure, blob}
}

// exportNM writes a connection for NetworkManager's vpnc plugin.
func exportNM(p *profile.Profile, secrets bool) ([]byte, []Note, error) {
	list, err := directivesOf(p)
	if err != nil {
		return nil, nil, err
	}
	var b strings.Builder
	line := func(key, value string) {
		if value != "" {
			b.WriteString(key + "=" + keyfile(value) + "\n")
		}
	}
	b.WriteString("[connection]\n")
	line("id", p.Name)
	line("uuid", uuidOf(p.Name))
	line("type", "vpn")
	line("interface-name", p.Interface)
	line("autoconnect", fmt.Sprint(p.Autoconnect))
	b.WriteString("\n[vpn]\n")
	for _, d := range list {
		if d.name == "Interface MTU" && p.MTU < 1200 {
			continue // the plugin takes none below
		}
		line(d.name, d.value)
	}
	line("IPSec secret-flags", flags(p.Secret, secrets))
	line("Xauth password-flags", flags(p.Password, secrets))
	line("service-type", nmService+"vpnc")
	if secrets && len(p.Secret)+len(p.Password) > 0 {
		b.WriteString("\n[vpn-secrets]\n")
		line("IPSec secret", string(p.Secret))
		line("Xauth password", string(p.Password))
	}
	b.WriteString("\n[ipv4]\n")
	line("method", "auto")
	line("never-default", fmt.Sprint(!p.DefaultRoute))
	for i, n := range p.Networks {
		line(fmt.Sprintf("route%d", i+1), n.String())
	}
	line("dns", joined(p.DNSServers, ";"))
	line("dns-search", strings.Join(p.Search, ";"))
	if !p.DNS {
		line("ignore-auto-dns", "true")
	}
	return []byte(b.String()), nil, nil
}

// keyfile is a value with the escapes of GLib's keyfiles. Nothing in it ends its line.
func keyfile(s string) string {
	s = strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s)
	inner := strings.TrimLeft(s, " ")
	s = strings.Repeat(`\s`, len(s)-len(inner)) + inner
	inner = strings.TrimRight(s, " ")
	return inner + strings.Repeat(`\s`, len(s)-len(inner))
}

// flags says where NetworkManager finds a secret: 0 in the file, 1 in the person's
// keyring, where it puts what it has asked for.
func flags(s profile.Secret, secrets bool) string {
	if secrets && len(s) > 0 {
		return "0"
	}
	return "1"
}

// uuidOf makes the same UUID of the same name each time, so that a second export
// replaces the first (RFC 9562, section 5.8).
func uuidOf(name string) string {
	sum := sha256.Sum256([]byte("postern profile " + name))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
