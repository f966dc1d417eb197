package formats

import (
	"fmt"
	"slices"
	"strings"
)

// Cisco VPN Client, .pcf: a Windows ini file with the section [main]. A "!" before a
// key keeps the user from changing it.
//
// Source: Cisco VPN Client Administrator Guide 4.0, chapter 2, and what
// NetworkManager-vpnc, vpnc's pcf2vpnc and Shrew Soft's client make of it.
var pcf = importer{
	name:      "pcf",
	recognise: func(f *text) bool { return f.hasKey("Host") && (f.hasSection("main") || f.hasKey("GroupName")) },
	read:      each(readPCF),
}

// pcfKeys are the keys that mean something here or are known to mean nothing. The
// value says why it means nothing.
var pcfKeys = map[string]string{
	"Description": "", "Host": "", "AuthType": "", "GroupName": "", "GroupPwd": "", "enc_GroupPwd": "",
	"Username": "", "UserPassword": "", "enc_UserPassword": "", "NTDomain": "",
	"EnableBackup": "", "BackupServer": "", "EnableNat": "", "TunnelingMode": "", "TcpTunnelingPort": "",
	"PeerTimeout": "", "DHGroup": "", "SingleDES": "", "EnableLocalLAN": "", "UseLegacyIKEPort": "",
	"CertName": "", "CertPath": "", "CertSubjectName": "", "VerifyCertDN": "",
	"InterfaceName": "", "X-NM-Routes": "", "X-NM-Use-NAT-T": "", "X-NM-Force-NAT-T": "",

	"SaveUserPassword": "whether a password may be kept is for the gateway and the administrator to say",
	"EnableSplitDNS":   "split DNS is used where the gateway asks for it",
	"ForceKeepAlives":  "keepalives are sent wherever there is a NAT",
	"EnableMSLogon":    "is about Windows's own login", "MSLogonType": "is about Windows's own login",
	"ForceNetLogin":    "is about Windows's own login",
	"EnableISPConnect": "dial-up has no place in a profile", "ISPConnectType": "dial-up has no place in a profile",
	"ISPConnect": "dial-up has no place in a profile", "ISPPhonebook": "dial-up has no place in a profile",
	"SPPhonebook": "dial-up has no place in a profile", "ISPCommand": "is a program: nothing of a profile is ever run",
	"RadiusSDI": "the questions of SecurID are recognised without it", "SDIUseHardwareToken": "codes are asked for, or come from otp",
	"CertStore": "is about Windows's certificate store", "CertSerialHash": "is about Windows's certificate store",
	"SendCertChain": "the chain is sent where the certificate's file has it",
	"CertMatchKU":   "the certificate is the one that the profile names", "CertMatchEKU": "the certificate is the one that the profile names",
	"CertMatchDN": "the certificate is the one that the profile names", "CertKeyAgreement": "is about Windows's certificate store",
	"X-NM-SaveGroupPassword": "whether a password may be kept is for the gateway and the administrator to say",
}

// canonicalPCF are the keys by their lower-case spelling: case doesn't count.
var canonicalPCF = func() map[string]string {
	out := map[string]string{}
	for key := range pcfKeys {
		out[strings.ToLower(key)] = key
	}
	return out
}()

func readPCF(r *reading, f *text) {
	var locked []string
	dialect := ini{comments: ";#", first: true, key: func(name string) string {
		bare := strings.TrimSpace(strings.TrimPrefix(name, "!"))
		if known := canonicalPCF[strings.ToLower(bare)]; known != "" {
			bare = known
		}
		if strings.HasPrefix(name, "!") && !slices.Contains(locked, bare) && len(locked) < len(pcfKeys) {
			locked = append(locked, bare)
		}
		return bare
	}, known: func(key string) bool { return canonicalPCF[strings.ToLower(key)] != "" }}
	sections, stray, err := dialect.parse(f)
	if err != nil {
		r.refuse(f, err.Error())
		return
	}
	in := sections[0] // files without a section's line are about
	for _, s := range sections[1:] {
		if strings.EqualFold(s.name, "main") {
			in = s
		}
	}
	p := pcfReader{draft: r.draft(f, in.get("Description")), in: in}
	if !p.read() {
		return
	}
	for _, line := range stray {
		p.ignored(at{line: line}, "The line is no key with a value.")
	}
	if len(locked) > 0 {
		p.ignored(at{}, `Locked with "!" for Cisco's client, and free here: `+strings.Join(locked, ", "))
	}
	p.done()
}

type pcfReader struct {
	*draft
	in *section
}

// read fills the draft; it returns false where the file was refused.
func (p *pcfReader) read() bool {
	p.set(p.in.at("Host"), "gateway", p.in.get("Host"))
	if !p.authentication() {
		return false
	}
	p.copy("Username", "user")
	p.copy("NTDomain", "domain")
	p.secretOf("password", "UserPassword", "enc_UserPassword")
	p.transport()
	p.network()
	for _, k := range p.in.keys {
		if why := pcfKeys[k.key]; why != "" && !isZero(k.value) {
			p.ignored(p.in.at(k.key), why)
			p.in.get(k.key)
		} else if why != "" {
			p.in.get(k.key)
		}
	}
	p.in.rest(p.draft)
	return true
}

// isZero says whether a value is what Cisco's client writes for "no".
func isZero(value string) bool { return strings.Trim(value, "0") == "" }

func (p *pcfReader) copy(from, to string) {
	if v := p.in.get(from); v != "" {
		p.set(p.in.at(from), to, v)
	}
}

// authentication reads who we are: a group with a secret, a certificate, or a group
// whose gateway has a certificate.
func (p *pcfReader) authentication() bool {
	p.set(at{}, "mode", "aggressive")
	switch kind := p.in.get("AuthType"); kind {
	case "", "1":
	case "3":
		p.set(at{}, "mode", "main")
		p.set(p.in.at("AuthType"), "auth", "rsa")
	case "5":
		p.set(p.in.at("AuthType"), "auth", "hybrid")
	default:
		p.r.warn(p.f, p.in.at("AuthType"), quoted(kind)+" isn't known; 1, 3 and 5 are")
		return false
	}
	if name := p.in.get("GroupName"); name != "" && p.text("auth") != "rsa" {
		p.set(p.in.at("GroupName"), "identity", name)
		p.set(p.in.at("GroupName"), "identity_type", "key-id")
	} else if name == "" && p.text("auth") == "" {
		p.warn(at{key: "GroupName"}, "is absent: a gateway of Cisco's will want one")
	}
	if p.text("auth") == "rsa" {
		p.certificate()
	} else {
		p.secretOf("secret", "GroupPwd", "enc_GroupPwd")
	}
	if p.text("auth") == "hybrid" {
		p.authority()
	}
	if dn := p.in.get("VerifyCertDN"); dn != "" {
		p.warn(p.in.at("VerifyCertDN"), "what the gateway's certificate must say isn't checked: set gateway_identity or gateway_pin")
	}

	group, from := "modp1024", p.in.at("DHGroup")
	if written := p.in.get("DHGroup"); groupNumbers[written] != "" {
		group = groupNumbers[written]
	} else if written != "" {
		p.warn(from, quoted(written)+" is no group that is known; 2 is taken")
	}
	ciphers := ciscoCiphers
	if yes(p.in.get("SingleDES")) {
		ciphers = append(slices.Clone(ciphers), "des")
	}
	p.historical("Cisco's client", ciphers, shaOrMD5, group)
	p.set(at{}, "pfs", "auto")
	return true
}

// secretOf takes the plain spelling where there is one.
func (p *pcfReader) secretOf(key, plain, obscured string) {
	if s := p.in.get(plain); s != "" {
		p.in.get(obscured)
		p.secret(p.in.at(plain), key, []byte(s))
		return
	}
	p.revealed(p.in.at(obscured), key, p.in.get(obscured))
}

// revealed sets a secret that Cisco's client wrote.
func (d *draft) revealed(a at, key, blob string) {
	if blob == "" {
		return
	}
	s, err := reveal(blob)
	if err != nil {
		d.warn(a, err.Error()+": the secret will be asked for")
		return
	}
	d.secret(a, key, s)
	clear(s)
}

// certificate sets ours: a file that was given too, or the name of one to be.
func (p *pcfReader) certificate() {
	where := p.in.at("CertName", "CertSubjectName", "CertPath", "AuthType")
	name := p.in.get("CertName")
	p.in.get("CertSubjectName")
	p.in.get("CertPath")
	if f := p.r.certificate(true); f != nil {
		p.embed(where, "certificate", f.name, f.data)
		p.guessed(where, "The certificate is the one in "+quoted(f.name)+", which was given too.")
		return
	}
	p.set(where, "certificate", fileName(p.profileName()+".p12"))
	p.warn(where, fmt.Sprintf("the certificate%s is in Cisco's or Windows's store: export it with its key as PKCS #12, and put it where the profile says", ofName(name)))
}

func ofName(name string) string {
	if name == "" {
		return ""
	}
	return " " + quoted(name)
}

// authority sets who vouches for the gateway, where such a file was given too.
func (p *pcfReader) authority() {
	if f := p.r.certificate(false); f != nil {
		p.embed(p.in.at("AuthType"), "ca", f.name, f.data)
		p.guessed(p.in.at("AuthType"), "The authority is the one in "+quoted(f.name)+", which was given too.")
		return
	}
	p.warn(p.in.at("AuthType"), "the authority that vouches for the gateway is in Cisco's or Windows's store: name its file in ca, or the gateway's fingerprint will be asked about once")
}

// transport reads how packets get to the gateway.
func (p *pcfReader) transport() {
	in := p.in
	nat, forced := in.get("EnableNat"), yes(in.get("X-NM-Force-NAT-T"))
	switch {
	case forced && nat != "0":
		p.set(in.at("X-NM-Force-NAT-T"), "nat_traversal", "force")
	case nat == "0":
		p.set(in.at("EnableNat"), "nat_traversal", "off")
	case nat != "" && !yes(in.get("X-NM-Use-NAT-T")):
		p.guessed(in.at("EnableNat"), "UDP encapsulation is that of RFC 3947 and its drafts, where there is a NAT.")
	}
	in.get("X-NM-Use-NAT-T")
	port := in.get("TcpTunnelingPort")
	if in.get("TunnelingMode") == "1" {
		if port == "" {
			port = "10000"
		}
		p.warn(in.at("TunnelingMode"), "IPsec over TCP (port "+clean(port)+") isn't possible here; UDP is used, and the gateway has to allow it")
	}
	if in.get("UseLegacyIKEPort") == "1" {
		p.set(in.at("UseLegacyIKEPort"), "source_port", 500)
	}
	if s := in.get("PeerTimeout"); s == "0" {
		p.set(in.at("PeerTimeout"), "dpd", "off")
	} else if s != "" {
		p.seconds(in.at("PeerTimeout"), "dpd", s)
	}
	backup := in.get("BackupServer")
	switch {
	case backup == "":
		in.get("EnableBackup")
	case yes(in.get("EnableBackup")):
		p.set(in.at("BackupServer"), "backup", split(backup, ","))
	default:
		p.ignored(in.at("BackupServer"), "EnableBackup doesn't allow it")
	}
}

// network reads what goes through the tunnel.
func (p *pcfReader) network() {
	if yes(p.in.get("EnableLocalLAN")) {
		p.set(p.in.at("EnableLocalLAN"), "local_lan", true)
	}
	p.copy("InterfaceName", "interface")
	if routes := p.in.get("X-NM-Routes"); routes != "" {
		p.networks(p.in.at("X-NM-Routes"), strings.Fields(routes))
	}
}

// split takes a list apart; blanks around the parts, and empty ones, are dropped.
func split(list, separator string) []string {
	var out []string
	for part := range strings.SplitSeq(list, separator) {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
