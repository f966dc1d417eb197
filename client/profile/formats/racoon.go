package formats

import (
	"bytes"
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"postern/client/profile"
)

// racoon.conf and psk.txt: racoon.conf(5) of ipsec-tools 0.8.2 and of its fork 0.9.

var racoonMark = regexp.MustCompile(`(?m)^[ \t]*(remote|sainfo)\s[^={};#]{0,400}\{`)

var racoon = importer{
	name:      "racoon",
	recognise: func(f *text) bool { return racoonMark.MatchString(f.body) },
	read:      each(readRacoon),
}

// racoonFile is one racoon.conf.
type racoonFile struct {
	r       *reading
	f       *text
	remotes map[string]*statement // by name, for inherit
	sainfos []statement
	folder  string      // of certificates
	secrets [][2]string // name and secret
}

func readRacoon(r *reading, f *text) {
	all, err := parseBraces(f.body, dialect{hash: true, operators: ","})
	if err != nil {
		r.fault(f, err)
		return
	}
	file := &racoonFile{r: r, f: f, remotes: map[string]*statement{}}
	psk := "psk.txt"
	for i, s := range all {
		a := at{line: s.line, key: s.name()}
		switch {
		case s.name() == "remote" && s.block != nil:
			if file.remotes[s.at(1)] = &all[i]; len(file.remotes) > maxSections {
				r.refuse(f, fmt.Sprintf("there are more than %d remotes", maxSections))
				return
			}
		case s.name() == "sainfo" && s.block != nil:
			file.sainfos = append(file.sainfos, s)
		case s.name() == "path" && s.at(1) == "pre_shared_key":
			psk = s.at(2)
		case s.name() == "path" && s.at(1) == "certificate":
			file.folder = s.at(2)
		case s.name() == "include":
			r.warn(f, a, "other files aren't read: give them to the import by name")
		default:
			r.ignored(f, a, "has no place in a profile")
		}
	}
	file.secrets = racoonSecrets(r, psk)
	for i := range all {
		if s := &all[i]; s.name() == "remote" && s.block != nil {
			file.remote(s, len(file.remotes) == 1)
		}
	}
}

// racoonSecrets reads psk.txt, under the name that the configuration has for it, or
// the one file of that form: a name, blanks, a secret.
func racoonSecrets(r *reading, name string) [][2]string {
	f := r.companion(name)
	for i := 0; f == nil && i < len(r.companions); i++ {
		if isPSKFile(r.companions[i]) {
			f = r.companions[i]
			f.used = true
		}
	}
	if f == nil {
		return nil
	}
	var out [][2]string
	for _, line := range f.lines {
		key, secret, ok := strings.Cut(strings.TrimSpace(line), " ")
		if before, after, tab := strings.Cut(strings.TrimSpace(line), "\t"); tab && (!ok || len(before) < len(key)) {
			key, secret, ok = before, after, true
		}
		if ok && !strings.HasPrefix(key, "#") {
			out = append(out, [2]string{key, strings.TrimSpace(secret)})
		}
	}
	return out
}

func isPSKFile(f *text) bool {
	some := false
	for _, line := range f.lines {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		if len(strings.Fields(line)) != 2 || strings.ContainsAny(line, "{}<>=") {
			return false
		}
		some = true
	}
	return some
}

// inherited are a remote's statements with those of the ones that it inherits from: a
// later statement replaces an earlier one, a proposal all inherited ones.
func (file *racoonFile) inherited(s *statement, seen map[*statement]bool) []statement {
	seen[s] = true
	var out []statement
	if i := slices.IndexFunc(s.words, func(w word) bool { return w.is("inherit") }); i > 0 {
		if parent := file.remotes[s.at(i+1)]; parent != nil && !seen[parent] {
			out = file.inherited(parent, seen)
		}
	}
	own := func(name string) bool {
		return slices.ContainsFunc(s.block, func(o statement) bool { return o.name() == name })
	}
	out = slices.DeleteFunc(slices.Clone(out), func(o statement) bool { return own(o.name()) })
	return append(out, s.block...)
}

// remote is one connection.
func (file *racoonFile) remote(s *statement, only bool) {
	here := at{line: s.line, key: "remote " + s.at(1)}
	d := file.r.draft(file.f, cmp.Or(s.at(1), "racoon"))
	if len(file.remotes) > 1 {
		d.in.Source = file.f.name + ": " + clean(s.at(1))
	}
	gateway := s.at(1)
	var proposals []statement
	statements := file.inherited(s, map[*statement]bool{})
	d.set(at{}, "mode", string(profile.MainMode)) // racoon's default
	d.set(at{}, "xauth", false)
	for _, o := range statements {
		switch o.name() {
		case "remote_address":
			gateway = o.at(1)
		case "proposal":
			proposals = append(proposals, o)
		case "passive":
			if yes(o.at(1)) {
				file.r.warn(file.f, here, "this remote waits for others: it is a gateway's side")
				return
			}
		default:
			file.statement(d, o)
		}
	}
	if gateway == "anonymous" || gateway == "" {
		file.r.warn(file.f, here, "this remote names no gateway: it is for whoever comes")
		return
	}
	d.set(here, "gateway", gateway)
	if !racoonProposals(d, proposals) {
		file.r.warn(file.f, here, "this remote authenticates as a gateway does")
		return
	}
	file.sainfo(d)
	file.keep(d, only)
	d.tidy()
	d.done()
}

// statement takes one statement of a remote over.
func (file *racoonFile) statement(d *draft, o statement) {
	a := at{line: o.line, key: o.name()}
	switch o.name() {
	case "exchange_mode":
		if o.at(1) == string(profile.AggressiveMode) {
			d.set(a, "mode", o.at(1))
		} else if o.at(1) != string(profile.MainMode) {
			d.warn(a, quoted(o.at(1))+" can't be had; Main Mode is used")
		}
	case "my_identifier":
		if kind, value := racoonIdentity(o); value != "" {
			d.set(a, "identity", value)
			d.set(a, "identity_type", kind)
		}
	case "peers_identifier":
		if _, value := racoonIdentity(o); value != "" {
			d.set(a, "gateway_identity", value)
		}
	case "xauth_login":
		d.set(a, "user", o.at(1))
	case "certificate_type":
		d.named(a, "certificate", path.Join(file.folder, o.at(2)))
		if o.at(3) != "" {
			d.named(a, "key", path.Join(file.folder, o.at(3)))
		}
	case "ca_type":
		d.named(a, "ca", path.Join(file.folder, o.at(2)))
	case "peers_certfile":
		d.named(a, "gateway_certificate", path.Join(file.folder, o.at(len(o.words)-1)))
	case "nat_traversal":
		d.set(a, "nat_traversal", map[string]string{"on": profile.Auto, "force": profile.NATTraversalForced}[o.at(1)])
		if d.text("nat_traversal") == "" {
			d.set(a, "nat_traversal", profile.Off)
		}
	case "dpd_delay":
		d.set(a, "dpd", profile.Off)
		d.seconds(a, "dpd", o.at(1))
	case "lifetime":
		d.racoonTime(a, "lifetime.ike", o)
	case "script":
		d.warn(a, "the script isn't imported: nothing that a file names is ever run")
	case "verify_cert":
		if !yes(o.at(1)) {
			d.warn(a, "a gateway's certificate is always verified; without ca or gateway_certificate its fingerprint is asked for once")
		}
	case "mode_cfg", "ike_frag", "esp_frag", "initial_contact", "doi", "situation", "support_proxy", "verify_identifier":
		// what postern does by itself
	default:
		d.ignored(a, "has no place in a profile")
	}
}

// racoonIdentity reads an identifier: `keyid tag "office"`, `fqdn "vpn.example"`. value
// is "" where it is our own address or our certificate's name.
func racoonIdentity(o statement) (kind, value string) {
	value = o.at(len(o.words) - 1)
	switch kind = o.at(1); {
	case len(o.words) < 3 || kind == "asn1dn" || o.at(2) == "file":
		return kind, ""
	case kind == "keyid":
		kind = string(profile.TypeKeyID)
	case kind == "user_fqdn":
		kind = string(profile.TypeUserFQDN)
	}
	return kind, value
}

// racoonTime sets a lifetime: `lifetime time 8 hour`.
func (d *draft) racoonTime(a at, key string, o statement) {
	if o.at(1) != "time" {
		return
	}
	unit, ok := map[string]string{
		"sec": "s", "secs": "s", "second": "s", "seconds": "s", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
		"hour": "h", "hours": "h", "": "s",
	}[o.at(3)]
	if !ok {
		d.warn(a, quoted(o.at(3))+" is no unit of time; it is left out")
		return
	}
	d.seconds(a, key, o.at(2)+unit)
}

// racoonProposals takes phase 1 over; false says that it is a gateway's.
func racoonProposals(d *draft, proposals []statement) bool {
	var offer []string
	var where at
	method := ""
	for _, p := range proposals {
		cipher, hash, group := "", "", ""
		for _, o := range p.block {
			a := at{line: o.line, key: o.name()}
			switch o.name() {
			case "encryption_algorithm":
				cipher = racoonCipher(o.words[1:])
			case "hash_algorithm":
				hash = o.at(1)
			case "dh_group":
				group = cmp.Or(groupNumbers[o.at(1)], o.at(1))
			case "authentication_method":
				method = cmp.Or(method, o.at(1))
				where = a
			case "lifetime":
				d.racoonTime(a, "lifetime.ike", o)
			default:
				d.ignored(a, "has no place in a profile")
			}
		}
		all, err := combine(cipher+"-"+hash+"-"+group, true)
		if err != nil {
			d.warn(at{line: p.line, key: "proposal"}, err.Error()+"; the proposal is left out")
			continue
		}
		offer = append(offer, all...)
	}
	d.offer(at{key: "proposal"}, "ike", offer)
	auth, ok := map[string]profile.Auth{
		"": profile.AuthPSK, "pre_shared_key": profile.AuthPSK, "xauth_psk_client": profile.AuthPSK,
		"rsasig": profile.AuthRSA, "xauth_rsa_client": profile.AuthRSA, "hybrid_rsa_client": profile.AuthHybrid,
	}[method]
	if !ok {
		return false
	}
	d.set(where, "auth", string(auth))
	if strings.HasSuffix(method, "_client") {
		d.set(where, "xauth", true)
	}
	return true
}

// racoonCipher is a cipher with its length, which for AES is 128 bits where it isn't
// given.
func racoonCipher(words []word) string {
	var name []string
	for _, w := range words {
		name = append(name, w.text)
	}
	if len(name) == 1 && (name[0] == "aes" || name[0] == "rijndael") {
		return "aes128"
	}
	s := strings.Join(name, "")
	return strings.NewReplacer("rijndael", "aes", "null_enc", "null").Replace(s)
}

// sainfo takes phase 2 over, from the section for everybody or else the first one.
func (file *racoonFile) sainfo(d *draft) {
	if len(file.sainfos) == 0 {
		d.guessed(at{key: "sainfo"}, "isn't there: phase 2 offers what this program does")
		return
	}
	chosen := file.sainfos[0]
	for _, s := range file.sainfos {
		if s.at(1) == "anonymous" {
			chosen = s
		}
		if to := s.words; len(to) >= 7 && to[4].is("address") || len(to) >= 7 && to[4].is("subnet") {
			d.networks(at{line: s.line, key: "sainfo"}, append(d.strings("networks"), strings.Split(to[5].text, "[")[0]))
		}
	}
	var ciphers, hashes []string
	for _, o := range chosen.block {
		a := at{line: o.line, key: o.name()}
		switch o.name() {
		case "encryption_algorithm":
			for _, part := range splitWords(o.words[1:]) {
				ciphers = append(ciphers[:min(len(ciphers), maxProposals-1)], racoonCipher(part))
			}
		case "authentication_algorithm":
			for _, part := range splitWords(o.words[1:]) {
				hashes = append(hashes[:min(len(hashes), maxProposals-1)], strings.TrimPrefix(racoonCipher(part), "hmac_"))
			}
		case "pfs_group":
			d.set(a, "pfs", cmp.Or(groupNumbers[o.at(1)], o.at(1)))
		case "lifetime":
			d.racoonTime(a, "lifetime.esp", o)
		case "compression_algorithm":
		default:
			d.ignored(a, "has no place in a profile")
		}
	}
	var offer []string
	for _, c := range ciphers {
		for _, h := range hashes {
			all, err := combine(c+"-"+h, false)
			if err != nil {
				d.warn(at{line: chosen.line, key: "sainfo"}, err.Error()+"; the proposal is left out")
				continue
			}
			offer = append(offer, all...)
		}
	}
	d.offer(at{line: chosen.line, key: "sainfo"}, "esp", offer)
}

// splitWords splits at commas.
func splitWords(words []word) [][]word {
	var out [][]word
	begin := 0
	for i := range words {
		if words[i].is(",") {
			out = append(out, words[begin:i])
			begin = i + 1
		}
	}
	return slices.DeleteFunc(append(out, words[begin:]), func(w []word) bool { return len(w) == 0 })
}

// keep finds the secrets of a connection in psk.txt: the key under the gateway's name,
// the password under the user's.
func (file *racoonFile) keep(d *draft, only bool) {
	own := []string{d.text("gateway"), d.text("gateway_identity"), d.text("identity")}
	left := slices.DeleteFunc(slices.Clone(file.secrets), func(s [2]string) bool { return s[0] == d.text("user") })
	for _, s := range file.secrets {
		secret := []byte(s[1])
		if strings.HasPrefix(s[1], "0x") {
			octets, err := swanSecret(s[1])
			if err != nil {
				d.warn(at{key: s[0]}, err.Error())
				continue
			}
			secret = bytes.Clone(octets)
		}
		switch {
		case s[0] == d.text("user") && d.text("user") != "":
			d.secret(at{key: s[0]}, "password", secret)
		case d.text("auth") == string(profile.AuthPSK) && !d.has("secret") && (slices.Contains(own, s[0]) || only && len(left) == 1):
			d.secret(at{key: s[0]}, "secret", secret)
			if !slices.Contains(own, s[0]) {
				d.guessed(at{key: s[0]}, fmt.Sprintf("is the only key in the file of secrets, so it was taken for %s", quoted(d.text("gateway"))))
			}
		}
	}
}
