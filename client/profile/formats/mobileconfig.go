package formats

import (
	"bytes"
	"cmp"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/smallstep/pkcs7"

	"postern/client/profile"
)

// Apple's configuration profiles, .mobileconfig: a property list, XML or binary, bare
// or inside a signature (CMS, RFC 5652). VPN payloads of the type IPSec are what Apple
// calls Cisco IPSec, which is ours.
//
// Source: github.com/apple/device-management, com.apple.vpn.managed.yaml.
var mobileconfig = importer{
	name:      "mobileconfig",
	recognise: func(f *text) bool { return isMobileconfig(f) },
	read:      each(readMobileconfig),
}

// oidSignedData begins signed data (RFC 5652, section 5.1): 1.2.840.113549.1.7.2.
var oidSignedData = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02}

func isMobileconfig(f *text) bool {
	return bytes.HasPrefix(f.data, []byte("bplist0")) || strings.Contains(f.body, "<plist") ||
		isSigned(f.data) && (bytes.Contains(f.data, []byte("<plist")) || bytes.Contains(f.data, []byte("bplist0")))
}

func isSigned(data []byte) bool {
	return len(data) > 32 && data[0] == 0x30 && bytes.Contains(data[:32], oidSignedData)
}

// mobileconfigFile is one such file.
type mobileconfigFile struct {
	r        *reading
	f        *text
	payloads []*node // the dictionaries in PayloadContent
	several  bool    // VPN payloads
}

func readMobileconfig(r *reading, f *text) {
	data, body := f.data, f.body
	if isSigned(data) {
		inside, signer, err := unsigned(data)
		if err != nil {
			r.refuse(f, err.Error())
			return
		}
		r.warn(f, at{}, fmt.Sprintf("is signed by %s; the signature wasn't verified", signer))
		inner, err := decode(File{Name: f.name, Data: inside})
		if err != nil {
			r.refuse(f, err.Error())
			return
		}
		data, body = inner.data, inner.body
	}
	root, err := parsePlist(data, body)
	if err != nil {
		r.fault(f, err)
		return
	}
	if root.get("EncryptedPayloadContent") != nil {
		r.refuse(f, "this profile is encrypted for one device; ask for one that isn't")
		return
	}
	content := root.get("PayloadContent")
	if content == nil || root.str("PayloadType") != "" && root.str("PayloadType") != "Configuration" {
		r.refuse(f, "this property list isn't a configuration profile")
		return
	}
	file := &mobileconfigFile{r: r, f: f, payloads: content.items}
	if len(file.payloads) > maxSections {
		r.refuse(f, fmt.Sprintf("there are more than %d payloads", maxSections))
		return
	}
	file.read()
}

// read imports each VPN payload, and lists the others.
func (file *mobileconfigFile) read() {
	isVPN := func(p *node) bool { return strings.HasPrefix(p.str("PayloadType"), "com.apple.vpn.managed") }
	count := 0
	for _, p := range file.payloads {
		if isVPN(p) {
			count++
		}
	}
	file.several = count > 1
	for _, p := range file.payloads {
		switch kind := p.str("PayloadType"); {
		case isVPN(p):
			file.vpn(p)
		case strings.HasPrefix(kind, "com.apple.security."): // found by those that name them
		default:
			file.r.ignored(file.f, at{line: p.line, key: kind}, "has no place in a profile")
		}
	}
	if count == 0 {
		file.r.refuse(file.f, "this configuration profile has no VPN in it")
	}
}

// unsigned takes the content out of signed data, and says who signed it.
func unsigned(data []byte) (content []byte, signer string, err error) {
	if !shallow(data) {
		return nil, "", errors.New("the signature around this profile isn't sound")
	}
	p, err := pkcs7.Parse(data)
	if err != nil || len(p.Content) == 0 {
		return nil, "", errors.New("the signature around this profile isn't sound")
	}
	signer = "somebody"
	if c := p.GetOnlySigner(); c != nil {
		signer = quoted(c.Subject.String())
	}
	return p.Content, signer, nil
}

// shallow says whether BER has at most maxDepth+16 values in each other; reading it
// takes time with the square of that.
func shallow(data []byte) bool {
	var ends []int // of the values that are open; -1 where it isn't known
	for i := 0; i < len(data); {
		for len(ends) > 0 && ends[len(ends)-1] >= 0 && i >= ends[len(ends)-1] {
			ends = ends[:len(ends)-1]
		}
		tag := data[i]
		if i++; tag&31 == 31 || i == len(data) {
			return false // no tag of CMS has more than one octet
		}
		length := int(data[i])
		i++
		switch {
		case tag == 0 && length == 0:
			if len(ends) > 0 && ends[len(ends)-1] < 0 {
				ends = ends[:len(ends)-1]
			}
			continue
		case length == 0x80:
			length = -1
		case length > 0x80:
			n := length & 0x7f
			if n > 4 || i+n > len(data) {
				return false
			}
			length = int(number(data[i:][:n]))
			i += n
		}
		if length > len(data)-i {
			return false
		}
		if tag&0x20 == 0 {
			i += max(length, 0)
			continue
		}
		end := -1
		if length >= 0 {
			end = i + length
		}
		if ends = append(ends, end); len(ends) > maxDepth+16 {
			return false
		}
	}
	return true
}

// vpnTypes are what a VPN payload can be that is none of ours.
var vpnTypes = map[string]string{
	"IKEv2": "IKEv2", "L2TP": "L2TP over IPsec", "PPTP": "PPTP", "AlwaysOn": "IKEv2 (always on)", "TransparentProxy": "a proxy of some app",
}

func (file *mobileconfigFile) vpn(p *node) {
	name := cmp.Or(p.str("UserDefinedName"), p.str("PayloadDisplayName"))
	here := at{line: p.line, key: name}
	kind := p.str("VPNType")
	if kind != "IPSec" {
		what := cmp.Or(vpnTypes[kind], "of the type "+quoted(kind))
		if kind == "VPN" {
			what = "that of an app, " + quoted(p.str("VPNSubType"))
		}
		file.r.warn(file.f, here, "this VPN is "+what+", which postern doesn't speak")
		return
	}
	d := file.r.draft(file.f, name)
	if file.several {
		d.in.Source = file.f.name + ": " + clean(name)
	}
	ipsec := p.get("IPSec")
	if ipsec.str("RemoteAddress") == "" {
		file.r.warn(file.f, here, "this VPN names no gateway (RemoteAddress)")
		return
	}
	d.set(ipsec.at("RemoteAddress"), "gateway", ipsec.str("RemoteAddress"))
	file.auth(d, ipsec)
	file.xauth(d, ipsec)
	file.network(d, p)
	for _, key := range []string{"OnDemandEnabled", "OnDemandRules", "OnDemandMatchDomainsAlways", "OnDemandMatchDomainsNever", "OnDemandMatchDomainsOnRetry"} {
		if v := ipsec.get(key); v != nil && v.text != "0" {
			d.warn(ipsec.at(key), "isn't acted on: connect when you need it, or set autoconnect")
		}
	}
	for _, k := range ipsec.keys {
		if !ipsec.used[k] {
			d.ignored(ipsec.at(k), "has no place in a profile")
		}
	}
	d.done()
}

// What Apple's client offers.
var (
	appleCiphers = []string{"aes256", "aes128", "3des"}
	appleHashes  = []string{"sha256", "sha1", "md5"}
)

// auth takes phase 1 over. With a shared secret Apple's client uses Aggressive Mode, and
// the proposals are Apple's: group 2 for these.
//
// Source: Apple, "Cisco IPsec VPN server setup for Apple devices".
func (file *mobileconfigFile) auth(d *draft, ipsec *node) {
	identity, hybrid := strings.CutSuffix(ipsec.str("LocalIdentifier"), "[hybrid]")
	groups := []string{"modp1024"}
	mode := profile.AggressiveMode
	switch method := ipsec.str("AuthenticationMethod"); {
	case method == "Certificate":
		mode, groups = profile.MainMode, []string{"modp2048", "modp1536", "modp1024"}
		d.set(ipsec.at("AuthenticationMethod"), "auth", string(profile.AuthRSA))
		file.certificate(d, ipsec)
		file.authorities(d)
	case hybrid:
		d.set(ipsec.at("LocalIdentifier"), "auth", string(profile.AuthHybrid))
		file.authorities(d)
		if ipsec.get("SharedSecret") != nil {
			d.ignored(ipsec.at("SharedSecret"), "is of no use with hybrid authentication")
		}
	default:
		d.set(ipsec.at("AuthenticationMethod"), "auth", string(profile.AuthPSK))
		d.secret(ipsec.at("SharedSecret"), "secret", ipsec.octets("SharedSecret"))
	}
	if identity == "" && mode == profile.AggressiveMode && !hybrid {
		mode = profile.MainMode // without a group there is nothing to say early
	}
	d.set(at{}, "mode", string(mode))
	if identity != "" && !d.wantsKey() {
		d.set(ipsec.at("LocalIdentifier"), "identity", identity)
		d.set(ipsec.at("LocalIdentifierType"), "identity_type", string(profile.TypeKeyID))
	}
	ipsec.get("LocalIdentifierType")
	d.set(at{}, "ike", offered(appleCiphers, appleHashes, groups))
	d.set(at{}, "esp", offered(appleCiphers, appleHashes, nil))
	d.set(at{}, "pfs", profile.Auto)
	d.guessed(at{}, "The file names no algorithms; the profile has those that Apple's client offers.")
}

func (file *mobileconfigFile) xauth(d *draft, ipsec *node) {
	on := yes(ipsec.str("XAuthEnabled")) || d.text("auth") == string(profile.AuthHybrid)
	if ipsec.get("XAuthEnabled") == nil && ipsec.str("XAuthName") != "" {
		on = true
		d.guessed(ipsec.at("XAuthName"), "is there, so that a login was taken to be wanted")
	}
	d.set(ipsec.at("XAuthEnabled"), "xauth", on)
	if user := ipsec.str("XAuthName"); user != "" {
		d.set(ipsec.at("XAuthName"), "user", user)
	}
	switch password := ipsec.octets("XAuthPassword"); {
	case len(password) == 0:
	case ipsec.str("XAuthPasswordEncryption") == "Prompt":
		d.ignored(ipsec.at("XAuthPassword"), "stands beside the wish to ask for it each time; it will be asked for")
	default:
		d.secret(ipsec.at("XAuthPassword"), "password", password)
	}
	ipsec.get("XAuthPasswordEncryption")
	ipsec.get("PromptForVPNPIN")
}

// network takes over what goes through the tunnel, and name servers.
func (file *mobileconfigFile) network(d *draft, p *node) {
	if ipv4 := p.get("IPv4"); ipv4.get("OverridePrimary") != nil {
		d.set(ipv4.at("OverridePrimary"), "default_route", yes(ipv4.str("OverridePrimary")))
	}
	dns := p.get("DNS")
	if servers := dns.texts("ServerAddresses"); len(servers) > 0 {
		d.set(dns.at("ServerAddresses"), "dns_servers", servers)
	}
	search := append(dns.texts("SearchDomains"), dns.texts("SupplementalMatchDomains")...)
	search = slices.DeleteFunc(search, func(s string) bool { return s == "" })
	if len(search) > 0 {
		d.set(dns.at("SearchDomains"), "search", slices.Compact(search))
	}
	if proxies := p.get("Proxies"); proxies != nil && len(proxies.keys) > 0 {
		d.ignored(p.at("Proxies"), "has no place in a profile")
	}
}

// payload finds a payload by its UUID.
func (file *mobileconfigFile) payload(uuid string) *node {
	for _, p := range file.payloads {
		if uuid != "" && strings.EqualFold(p.str("PayloadUUID"), uuid) {
			return p
		}
	}
	return nil
}

// certificate takes over who we are: a PKCS #12 file in another payload.
func (file *mobileconfigFile) certificate(d *draft, ipsec *node) {
	a := ipsec.at("PayloadCertificateUUID")
	p := file.payload(ipsec.str("PayloadCertificateUUID"))
	switch kind := p.str("PayloadType"); kind {
	case "com.apple.security.pkcs12":
		name := cmp.Or(p.str("PayloadCertificateFileName"), p.str("PayloadDisplayName"), "certificate")
		if lower := strings.ToLower(name); !strings.HasSuffix(lower, ".p12") && !strings.HasSuffix(lower, ".pfx") {
			name += ".p12"
		}
		d.embed(a, "certificate", name, p.octets("PayloadContent"))
		d.secret(p.at("Password"), "key_passphrase", p.octets("Password"))
	case "":
		d.warn(a, "names a certificate that isn't in the file")
	default:
		d.warn(a, "the certificate comes by "+quoted(strings.TrimPrefix(kind, "com.apple.security."))+", which can't be had; ask for it as a PKCS #12 file")
	}
}

// authorities takes over whom to trust to know the gateway: all certificates that come
// along.
func (file *mobileconfigFile) authorities(d *draft) {
	var all bytes.Buffer
	for _, p := range file.payloads {
		switch p.str("PayloadType") {
		case "com.apple.security.root", "com.apple.security.pkcs1", "com.apple.security.pem":
		default:
			continue
		}
		content := p.octets("PayloadContent")
		if bytes.Contains(content, []byte("-----BEGIN ")) {
			all.Write(content)
			all.WriteByte('\n')
		} else if len(content) > 0 {
			_ = pem.Encode(&all, &pem.Block{Type: "CERTIFICATE", Bytes: content}) // a buffer takes all
		}
	}
	if all.Len() > 0 {
		d.embed(at{}, "ca", strings.TrimSuffix(d.f.name, filepath.Ext(d.f.name))+"-ca.pem", all.Bytes())
	}
}
