package formats

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"postern/client/profile"
)

// What the descendants of FreeS/WAN write alike: strongSwan, libreswan and, in part,
// racoon.

// maxProposals bounds what one line of proposals multiplies out to. Chosen here.
const maxProposals = 64

// groupNumbers are the groups' numbers in the registry "Group Description" of IKE
// (RFC 2409, section 11; RFC 3526; RFC 5903; RFC 8031).
var groupNumbers = map[string]string{
	"1": "modp768", "2": "modp1024", "5": "modp1536", "14": "modp2048", "15": "modp3072", "16": "modp4096",
	"17": "modp6144", "18": "modp8192", "19": "ecp256", "20": "ecp384", "21": "ecp521", "31": "curve25519",
}

// proposals sets "ike" or "esp" to what the proposals in a list say; those that can't
// be offered are left out with a warning.
func (d *draft) proposals(a at, key, list string) {
	var out []string
	for _, written := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		if written == "default" {
			d.guessed(a, `The proposals called "default" became those of this program.`)
			for _, p := range profile.Default().IKE {
				if key == "ike" {
					out = append(out, p.String())
				}
			}
			for _, p := range profile.Default().ESP {
				if key == "esp" {
					out = append(out, p.String())
				}
			}
			continue
		}
		all, err := combine(strings.TrimSuffix(written, "!"), key == "ike")
		if err != nil {
			d.warn(a, err.Error()+"; the proposal is left out")
			continue
		}
		out = append(out, all...)
	}
	d.offer(a, key, out)
}

// offer sets "ike" or "esp" to proposals in a profile's spelling. Aggressive Mode and
// Quick Mode can offer one group only (RFC 2409, sections 5.2 and 5.5): those of the
// first proposal's group stay.
func (d *draft) offer(a at, key string, list []string) {
	var out []string
	first := ""
	for _, p := range list {
		group := groupOf(p)
		switch {
		case slices.Contains(out, p):
		case len(out) == maxProposals:
			d.warn(a, fmt.Sprintf("more than %d proposals; the others are left out", maxProposals))
			d.set(a, key, out)
			return
		case len(out) == 0:
			first = group
			out = append(out, p)
		case group != first && (key == "esp" || d.text("mode") == string(profile.AggressiveMode)):
			d.warn(a, fmt.Sprintf("one group only can be offered, %s; %s is left out", cmp.Or(first, "none"), p))
		default:
			out = append(out, p)
		}
	}
	if len(out) > 0 {
		d.set(a, key, out)
	}
}

// groupOf is the group that a proposal in a profile's spelling ends with, or "".
func groupOf(proposal string) string {
	last := proposal[strings.LastIndexByte(proposal, '-')+1:]
	if _, err := profile.ParsePFS(last); err != nil {
		return ""
	}
	return last
}

// combine multiplies one proposal out: "aes128-aes256-sha1;modp1024" are two. "prf…"
// is no part of IKEv1 and is dropped.
func combine(written string, ike bool) ([]string, error) {
	var ciphers, hashes, groups []string
	gcm := false
	for _, w := range strings.FieldsFunc(strings.ToLower(written), func(r rune) bool { return r == '-' || r == ';' || r == '+' }) {
		c, h, g := swanWord(w)
		switch {
		case w == "null" && gcm: // libreswan's "aes_gcm256-null"
		case c != nil:
			ciphers = append(ciphers, c...)
			gcm = gcm || strings.Contains(c[0], "gcm")
		case h != "":
			hashes = append(hashes, h)
		case g != "":
			groups = append(groups, g)
		case strings.HasPrefix(w, "prf"), w == "modpnone", w == "noesn", w == "none" && gcm:
		default:
			return nil, fmt.Errorf("%s in %s isn't known here", quoted(w), quoted(written))
		}
	}
	if gcm && len(hashes) == 0 {
		hashes = []string{""}
	}
	if len(groups) == 0 && !ike {
		groups = []string{""}
	}
	if len(groups) == 0 { // libreswan's default for IKEv1
		groups = []string{"modp2048", "modp1536"}
	}
	if len(ciphers) == 0 || len(hashes) == 0 || len(ciphers)*len(hashes)*len(groups) > maxProposals {
		return nil, fmt.Errorf("%s is no proposal that can be offered", quoted(written))
	}
	var out []string
	for _, g := range groups {
		for _, c := range ciphers {
			for _, h := range hashes {
				p := strings.Trim(c+"-"+h, "-")
				if g != "" {
					p += "-" + g
				}
				var err error
				if ike {
					_, err = profile.ParseIKE(p)
				} else {
					_, err = profile.ParseESP(p)
				}
				if err != nil {
					return nil, err
				}
				out = append(out, p)
			}
		}
	}
	return out, nil
}

// swanWord is the meaning of one word of a proposal.
func swanWord(w string) (ciphers []string, hash, group string) {
	switch w {
	case "aes", "aes_cbc":
		return []string{"aes256", "aes128"}, "", "" // any length
	case "aes128", "aes192", "aes256", "3des", "des", "null":
		return []string{w}, "", ""
	case "md5", "sha1", "sha256", "sha384", "sha512", "sha256_96":
		return nil, w, ""
	case "sha":
		return nil, "sha1", ""
	case "sha2":
		return nil, "sha256", ""
	}
	if bits, ok := strings.CutPrefix(w, "sha2_"); ok && slices.Contains([]string{"256", "384", "512"}, bits) {
		return nil, "sha" + bits, ""
	}
	for _, prefix := range []string{"aes_cbc_", "aes_cbc", "aes_"} {
		if bits, ok := strings.CutPrefix(w, prefix); ok && slices.Contains([]string{"128", "192", "256"}, bits) {
			return []string{"aes" + bits}, "", ""
		}
	}
	if n, ok := strings.CutPrefix(w, "dh"); ok && groupNumbers[n] != "" {
		return nil, "", groupNumbers[n]
	}
	if g, err := profile.ParsePFS(w); err == nil && g != profile.Off && g != profile.Auto {
		return nil, "", g
	}
	return gcmWord(w), "", ""
}

// gcmWord reads the spellings of AES-GCM with a tag of 16 octets.
func gcmWord(w string) []string {
	switch w {
	case "aes_gcm", "aes_gcm_c", "aes_gcm_16":
		return []string{"aes256gcm16", "aes128gcm16"}
	}
	for _, bits := range []string{"128", "192", "256"} {
		switch w {
		case "aes" + bits + "gcm", "aes" + bits + "gcm16", "aes" + bits + "gcm128", "aes_gcm" + bits, "aes_gcm_" + bits,
			"aes_gcm_c_" + bits, "aes_gcm_16_" + bits, "aes_gcm" + bits + "_16":
			return []string{"aes" + bits + "gcm16"}
		}
	}
	return nil
}

// identity sets our own identity from strongSwan's or libreswan's spelling.
func (d *draft) identity(a at, written string) {
	kind, value := swanIdentity(written)
	switch {
	case value == "" || kind == profile.TypeDN && !strings.HasPrefix(written, "asn1dn:#"):
		if kind == profile.TypeDN && !d.has("certificate") {
			d.warn(a, "the distinguished name can't be taken over: it is the certificate's own")
		}
		return
	case kind == "":
		d.warn(a, "the identity isn't text, which can't be had")
		return
	}
	d.set(a, "identity", value)
	d.set(a, "identity_type", string(kind))
}

// swanIdentity is what an identity means: "@x" a host's name, "@[x]" and "@#hex" key
// IDs, "keyid:x" and the like what they say. value is "" where any will do or it is
// our certificate's; kind is "" where the value isn't text.
func swanIdentity(s string) (kind profile.IdentityType, value string) {
	if strings.HasPrefix(s, "%") {
		return profile.TypeAddress, ""
	}
	if prefix, rest, ok := strings.Cut(s, ":"); ok {
		named, known := map[string]profile.IdentityType{
			"keyid": profile.TypeKeyID, "fqdn": profile.TypeFQDN, "dns": profile.TypeFQDN, "email": profile.TypeUserFQDN,
			"userfqdn": profile.TypeUserFQDN, "rfc822": profile.TypeUserFQDN, "ipv4": profile.TypeAddress,
			"ipv6": profile.TypeAddress, "asn1dn": profile.TypeDN, "dn": profile.TypeDN,
		}[prefix]
		if hexed, isHex := strings.CutPrefix(rest, "#"); known && isHex && named != profile.TypeDN {
			return hexText(hexed, named)
		}
		if known {
			return named, strings.TrimPrefix(rest, "#")
		}
	}
	switch {
	case strings.HasPrefix(s, "@["):
		return profile.TypeKeyID, strings.TrimSuffix(s[2:], "]")
	case strings.HasPrefix(s, "@#"):
		return hexText(strings.TrimPrefix(s[2:], "0x"), profile.TypeKeyID)
	case strings.HasPrefix(s, "@@"):
		return profile.TypeUserFQDN, s[2:]
	case strings.HasPrefix(s, "@~"):
		return profile.TypeDN, s[2:]
	case strings.HasPrefix(s, "@"):
		return profile.TypeFQDN, s[1:]
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return profile.TypeAddress, s
	}
	switch {
	case strings.Contains(s, "="):
		return profile.TypeDN, s
	case strings.Contains(s, "@"):
		return profile.TypeUserFQDN, s
	}
	return profile.TypeFQDN, s
}

func hexText(digits string, kind profile.IdentityType) (profile.IdentityType, string) {
	octets, err := hex.DecodeString(digits)
	if err != nil || !slices.Equal(octets, []byte(clean(string(octets)))) {
		return "", digits
	}
	return kind, string(octets)
}

// peer sets what the gateway must call itself.
func (d *draft) peer(a at, written string) {
	if _, value := swanIdentity(written); value != "" {
		d.set(a, "gateway_identity", value)
	}
}

// swanSecret decodes a secret: "0x" hexadecimal, "0s" base64, else text. The error
// tells none of it.
func swanSecret(written string) ([]byte, error) {
	if digits, ok := strings.CutPrefix(written, "0x"); ok {
		octets, err := hex.DecodeString(strings.ReplaceAll(digits, "_", ""))
		if err != nil {
			return nil, fmt.Errorf("the secret isn't the hexadecimal digits that its 0x promises; it will be asked for")
		}
		return octets, nil
	}
	if digits, ok := strings.CutPrefix(written, "0s"); ok {
		octets, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(digits, "="))
		if err != nil {
			return nil, fmt.Errorf("the secret isn't the base64 that its 0s promises; it will be asked for")
		}
		return octets, nil
	}
	return []byte(written), nil
}

// keep sets a secret that stands in another file than the connection.
func (d *draft) keep(a at, key, written string, literal bool) {
	octets := []byte(written)
	if !literal {
		var err error
		if octets, err = swanSecret(written); err != nil {
			d.warn(a, err.Error())
			return
		}
	}
	d.secret(a, key, bytes.Clone(octets))
}

// seconds sets a duration: "8h", "30m", "90", "3600s", "1d". 0 is left out.
func (d *draft) seconds(a at, key, written string) {
	unit := time.Second
	digits := strings.TrimSpace(strings.ToLower(written))
	for suffix, u := range map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour} {
		if rest, ok := strings.CutSuffix(digits, suffix); ok {
			digits, unit = strings.TrimSpace(rest), u
			break
		}
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		d.warn(a, quoted(written)+" is no time; it is left out")
		return
	}
	if n > 0 {
		d.set(a, key, fmt.Sprintf("%ds", time.Duration(n)*unit/time.Second))
	}
}

// named sets certificate, key, ca or gateway_certificate to a file that the
// configuration names, and says what to do where it wasn't given.
func (d *draft) named(a at, key, path string) {
	d.file(a, key, path)
	if d.files[key] == nil {
		d.warn(a, "names the file "+quoted(path)+", which wasn't given: import it together with this one, or put it where the profile says")
	}
}

// tidy forgets the files that the method of phase 1 has no use for.
func (d *draft) tidy() {
	unused := []string{"certificate", "key"}
	if d.text("auth") == string(profile.AuthPSK) {
		unused = append(unused, "ca", "gateway_certificate")
	}
	for _, key := range unused {
		if !d.wantsKey() {
			delete(d.values, key)
			delete(d.files, key)
		}
	}
}

// wantsKey says whether the drafted profile authenticates with a certificate of ours.
func (d *draft) wantsKey() bool { return profile.Auth(d.text("auth")).WantsKey() }

// privateKey finds the key of our certificate among the files that were given, where
// the configuration leaves that to the folder it lies in.
func (d *draft) privateKey() {
	if !d.wantsKey() || d.has("key") || bytes.Contains(d.files["certificate"], []byte("PRIVATE KEY-----")) {
		return
	}
	for _, f := range d.r.companions {
		if strings.Contains(f.body, "PRIVATE KEY-----") {
			f.used = true
			d.embed(at{}, "key", f.name, f.data)
			return
		}
	}
	if lower := strings.ToLower(d.text("certificate")); !strings.HasSuffix(lower, ".p12") && !strings.HasSuffix(lower, ".pfx") {
		d.warn(at{}, "The private key isn't named: import its file together with this one, or name it in the profile (key).")
	}
}

// yes says whether a value means yes.
func yes(s string) bool {
	return slices.Contains([]string{"yes", "true", "1", "on", "enabled"}, strings.ToLower(s))
}
