package formats

import (
	"encoding/base64"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Shrew Soft's client, .vpn: lines "type:name:value", where n is a number, s text and b
// base64. A name's texts become a list with commas between them; of its numbers the
// last one counts. Version 2.2 stops at the first empty line.
//
// Source: libike/manager.file.cpp, manager.cpp and client.cpp of version 2.2.
var shrew = importer{
	name: "shrew",
	recognise: func(f *text) bool {
		for _, line := range f.lines {
			if kind, name, _, ok := shrewLine(line); ok && kind == 's' && name == "network-host" {
				return true
			}
		}
		return false
	},
	read: each(readShrew),
}

// shrewLine takes a line apart.
func shrewLine(line string) (kind byte, name, value string, ok bool) {
	line = strings.TrimLeft(line, " ")
	if len(line) < 3 || line[1] != ':' || !strings.ContainsRune("nsb", rune(line[0])) {
		return 0, "", "", false
	}
	name, value, ok = strings.Cut(line[2:], ":")
	return line[0], strings.ToLower(name), strings.TrimSpace(value), ok && name != ""
}

// maxList bounds a list that several lines make, in octets. Chosen here.
const maxList = 16 << 10

func readShrew(r *reading, f *text) {
	s := shrewReader{draft: r.draft(f, ""), in: &section{}}
	seen := map[string]bool{}
	for i, line := range f.lines {
		if strings.TrimSpace(line) == "" {
			rest := slices.IndexFunc(f.lines[i:], func(l string) bool { _, _, _, ok := shrewLine(l); return ok })
			if rest >= 0 && len(seen) > 0 {
				s.warn(at{line: i + rest + 1}, "What follows an empty line isn't read.")
			}
			break
		}
		kind, name, value, ok := shrewLine(line)
		switch {
		case !ok:
			s.warn(at{line: i + 1}, "The line isn't of the form type:name:value.")
			continue
		case value == "":
			continue
		case kind == 's' && seen[name]:
			if value = s.in.get(name) + "," + value; len(value) > maxList {
				r.refuse(f, "a list is longer than anything that is used")
				return
			}
		case len(seen) >= maxKeys:
			r.refuse(f, "the file has more than "+strconv.Itoa(maxKeys)+" names")
			return
		}
		seen[name] = true
		s.in.set(setting{key: name, value: value, line: i + 1})
	}
	for i := range s.in.keys {
		s.in.keys[i].used = false // a list's were
	}
	if s.read() {
		s.done()
	}
}

type shrewReader struct {
	*draft
	in *section
}

func (s *shrewReader) read() bool {
	s.shrewGateway()
	if !s.method() {
		return false
	}
	s.identities()
	s.phase1()
	s.phase2()
	s.natTraversal()
	s.assigned()
	s.names()
	s.policy()
	for _, k := range shrewIgnored {
		if v := s.in.get(k.key); v != "" && v != "0" && k.why != "" {
			s.ignored(s.in.at(k.key), k.why)
		}
	}
	s.in.rest(s.draft)
	return true
}

// shrewIgnored are the names that mean nothing here, and why; without a reason the
// value doesn't matter.
var shrewIgnored = []struct{ key, why string }{
	{"version", ""},
	{"network-natt-rate", ""},
	{"network-frag-size", ""},
	{"network-frag-mode", ""},
	{"network-notify-enable", ""},
	{"client-banner-enable", ""},
	{"client-ip-mask", ""},
	{"client-wins-used", ""},
	{"client-wins-auto", ""},
	{"client-wins-addr", "name servers for NetBIOS aren't set"},
	{"phase1-life-kbytes", "lifetimes are in time only"},
	{"phase2-life-kbytes", "lifetimes are in time only"},
	{"policy-nailed", "the tunnel is kept up anyway"},
}

func (s *shrewReader) copy(from, to string) {
	if v := s.in.get(from); v != "" {
		s.set(s.in.at(from), to, v)
	}
}

func (s *shrewReader) shrewGateway() {
	host := s.in.get("network-host")
	if port := s.in.get("network-ike-port"); port != "" && port != "500" {
		if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
			host = "[" + host + "]"
		}
		host += ":" + port
	}
	s.set(s.in.at("network-host"), "gateway", host)
	s.copy("client-saved-username", "user")
	if s.in.get("vendor-chkpt-enable") == "1" {
		s.set(s.in.at("vendor-chkpt-enable"), "vendor", "checkpoint")
	}
}

// method reads how both ends prove who they are.
func (s *shrewReader) method() bool {
	a, method := s.in.at("auth-method"), s.in.get("auth-method")
	secret := true
	switch method {
	case "mutual-psk-xauth":
	case "mutual-psk":
		s.set(a, "xauth", false)
	case "mutual-rsa-xauth":
		s.set(a, "auth", "rsa")
		secret = false
	case "mutual-rsa":
		s.set(a, "auth", "rsa")
		s.set(a, "xauth", false)
		secret = false
	case "hybrid-rsa-xauth", "hybrid-grp-xauth":
		s.set(a, "auth", "hybrid")
	default:
		s.r.warn(s.f, a, quoted(method)+" isn't a method that is known")
		return false
	}
	if psk := s.in.get("auth-mutual-psk"); psk != "" && secret {
		s.secret(s.in.at("auth-mutual-psk"), "secret", s.octets("auth-mutual-psk", psk))
	} else if psk != "" {
		s.ignored(s.in.at("auth-mutual-psk"), "is of no use with this method")
	}
	s.file3("auth-server-cert", "ca", s.text("auth") != "")
	s.file3("auth-client-cert", "certificate", s.text("auth") == "rsa")
	s.file3("auth-client-key", "key", s.text("auth") == "rsa")
	if s.text("key") == s.text("certificate") {
		delete(s.values, "key") // in the certificate's file
	}
	return true
}

// octets decodes what version 2.2 writes in base64 and 2.1 as text.
func (s *shrewReader) octets(name, value string) []byte {
	line := s.f.lines[s.in.at(name).line-1]
	if !strings.HasPrefix(strings.TrimLeft(line, " "), "b:") {
		return []byte(value)
	}
	octets, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		s.warn(s.in.at(name), "isn't base64; it is left out")
	}
	return octets
}

// file3 sets a key to a file that has a name, or contents, or both.
func (s *shrewReader) file3(name, key string, used bool) {
	file, data := s.in.get(name+"-name"), s.in.get(name+"-data")
	if old := s.in.get(name); file == "" {
		file = old // version 2.1
	}
	a := s.in.at(name+"-name", name, name+"-data")
	var contents []byte
	if data != "" {
		contents = s.octets(name+"-data", data)
	}
	switch {
	case file == "" && data == "":
	case !used:
		s.ignored(a, "is of no use with this method")
	case len(contents) > 0:
		if file == "" {
			file = name + ".pem"
		}
		s.embed(a, key, file, contents)
	case file != "":
		s.named(a, key, file)
	}
}

// identities reads what both ends call themselves.
func (s *shrewReader) identities() {
	kinds := map[string]string{"keyid": "key-id", "fqdn": "fqdn", "ufqdn": "user-fqdn", "address": "address"}
	a, data := s.in.at("ident-client-data", "ident-client-type"), s.in.get("ident-client-data")
	switch kind := s.in.get("ident-client-type"); {
	case data == "" || kind == "none":
	case kind == "asn1dn":
		s.ignored(a, "the name is that of our certificate")
	case kinds[kind] == "":
		s.warn(a, quoted(kind)+" isn't a kind of identity that is known; it is left out")
	default:
		s.set(a, "identity", data)
		s.set(a, "identity_type", kinds[kind])
	}
	kind, gateway := s.in.get("ident-server-type"), s.in.get("ident-server-data")
	if kind != "any" && kind != "none" && gateway != "" {
		s.set(s.in.at("ident-server-data"), "gateway_identity", gateway)
	}
}
