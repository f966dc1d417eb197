package profile

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Marshal returns p as a profile file: the keys that differ from what Parse makes of
// their absence, in the order of the documentation, what is weak with a comment. No
// secret is in it. Paths stand there as p has them. For every p that Parse returned
// without secrets and whose paths are absolute, Parse(p.Marshal()) equals p.
func (p *Profile) Marshal() []byte { return p.marshal(nil) }

// MarshalWithSecrets is Marshal with the secrets that p has, in place of the files that
// they were read from. The caller keeps the result from others and clears it. A
// pre-shared key that SecretEncoding can't write is written in hexadecimal; another
// secret that isn't text is left out.
func (p *Profile) MarshalWithSecrets() []byte {
	q := *p
	written := map[string][]byte{}
	defer func() {
		for _, s := range written {
			clear(s)
		}
	}()
	for key, s := range p.Secrets() {
		if key == "secret" {
			written[key], q.SecretEncoding = s.Write(p.SecretEncoding)
		} else if s.isText() {
			written[key] = bytes.Clone(s)
		}
	}
	return q.marshal(written)
}

// Secrets returns the secrets that p has and that its method has a use for, by key.
// They are p's own.
func (p *Profile) Secrets() map[string]Secret {
	out := map[string]Secret{}
	add := func(key string, s Secret, used bool) {
		if len(s) > 0 && used {
			out[key] = s
		}
	}
	add("secret", p.Secret, !p.Auth.WantsKey())
	add("password", p.Password, true)
	add("otp_secret", p.OTPSecret, p.OTP != "")
	add("key_passphrase", p.KeyPassphrase, p.Auth != AuthPSK)
	add("pap_auth_secret", p.PAPAuthSecret, p.RADIUS != "")
	return out
}

// isText says whether EncodingText can write s.
func (s Secret) isText() bool { return utf8.Valid(s) && bytes.IndexByte(s, 0) < 0 }

// Write is the opposite of Encoding.Decode. What e can't write is written in
// hexadecimal; the encoding that was chosen is returned.
func (s Secret) Write(e Encoding) ([]byte, Encoding) {
	switch {
	case e == EncodingBase64:
		return base64.StdEncoding.AppendEncode(nil, s), e
	case e == EncodingText && s.isText():
		return bytes.Clone(s), e
	}
	return hex.AppendEncode(nil, s), EncodingHex
}

// paragraphs are the keys before which a blank line stands.
var paragraphs = []string{"auth", "xauth", "vpn5000", "vendor", "nat_traversal", "interface"}

// wide is the length in octets from which a list has a line for each element.
const wide = 90

// marshal writes p and secrets, which are encoded already.
func (p *Profile) marshal(secrets map[string][]byte) []byte {
	var top, tables bytes.Buffer
	absent := p.absent().settings()
	paragraph, last, inTable := 0, 0, ""
	for i, s := range p.settings() {
		if i := slices.Index(paragraphs, s.Key); i >= 0 {
			paragraph = i + 1
		}
		secret, found := secrets[s.Key]
		_, inFile := secrets[strings.TrimSuffix(s.Key, "_file")]
		usual := i < len(absent) && s == absent[i] || defaultPolicy().has(s)
		if !found && (usual || IsSecret(s.Key) || inFile) {
			continue
		}
		if table, key, ok := strings.Cut(s.Key, "."); ok {
			if table != inTable {
				fmt.Fprintf(&tables, "\n[%s]\n", table)
			}
			inTable = table
			fmt.Fprintf(&tables, "%s = %s\n", key, s.Value)
			continue
		}
		if paragraph != last && top.Len() > 0 {
			top.WriteByte('\n')
		}
		last = paragraph
		if found {
			top.WriteString(s.Key + " = ")
			quote(&top, secret)
			top.WriteByte('\n')
			continue
		}
		for _, w := range p.weakKey(s.Key) {
			top.WriteString("# " + w + "\n")
		}
		top.WriteString(s.Key + " = " + fold(s.Value) + "\n")
	}
	return append(top.Bytes(), tables.Bytes()...)
}

// absent is what Parse makes of a document with the few keys that others follow from.
func (p *Profile) absent() *Profile {
	d := Default()
	d.IdentityType = guessType(p.Identity)
	if p.Identity == "" && p.Auth.WantsKey() {
		d.IdentityType = TypeDN
	}
	if p.RADIUS != "" || p.VPN5000 == Required || p.Auth == AuthECDSA {
		d.XAuth = XAuthOff
	}
	if len(p.ESP) > 0 && p.ESP[0].Group != "" {
		d.PFS = p.ESP[0].Group
	}
	return d
}

// weakKey says what is weak about the value of a key.
func (p *Profile) weakKey(key string) (out []string) {
	switch key {
	case "ike":
		for _, proposal := range p.IKE {
			out = append(out, proposal.Weak()...)
		}
	case "esp":
		for _, proposal := range p.ESP {
			out = append(out, proposal.Weak()...)
		}
	case "pfs":
		out = weakWord(p.PFS)
	}
	return once(out)
}

// fold gives a long list a line for each element.
func fold(value string) string {
	list, ok := strings.CutPrefix(value, "[")
	if !ok || len(value) < wide {
		return value
	}
	return "[\n    " + strings.ReplaceAll(strings.TrimSuffix(list, "]"), `", "`, "\",\n    \"") + ",\n]"
}

// quote writes text as a basic string (TOML 1.0.0, section String).
func quote(b *bytes.Buffer, text []byte) {
	b.WriteByte('"')
	for _, c := range text {
		switch {
		case c == '"' || c == '\\':
			b.Write([]byte{'\\', c})
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(b, `\u%04X`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}
