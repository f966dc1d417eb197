//go:build linux

package interop

import (
	"encoding/base64"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/client/profile"
	"postern/client/profile/formats"
)

// The group's secret, as Cisco's client writes it.
const (
	importedSecret = "Gr0up-S3cret!"
	importedBlob   = "19BA022B1962F6A9371F1D151837C9D801A4057176741B5DCF55C46C366B8D35E77749ACCB2976DE0C543F23B05003D60F59FE9DCDF732F2"
)

// What a company handed out years ago, and the gateway it is for.
var importedCases = []struct {
	name   string
	change func(*swan)
	files  func(l *lab) map[string]string
}{
	{
		name: "pcf",
		files: func(*lab) map[string]string {
			return map[string]string{"office.pcf": crlf(`[main]
!Description=Lab office
!Host=` + gatewayAddress + `
AuthType=1
GroupName=staff
GroupPwd=
enc_GroupPwd=` + importedBlob + `
Username=alice
UserPassword=wonderland
EnableNat=1
TunnelingMode=0
DHGroup=2
PeerTimeout=90
`)}
		},
	},
	{
		name:   "pcf, gateway with a certificate",
		change: func(s *swan) { s.Proof, s.GatewayID = byHybrid, "gateway.example" },
		files: func(l *lab) map[string]string {
			return map[string]string{"office.pcf": crlf(`[main]
Host=` + gatewayAddress + `
AuthType=5
GroupName=staff
Username=alice
UserPassword=wonderland
DHGroup=2
`), "root.pem": l.read("root.pem")}
		},
	},
	{
		name:   "vpnc",
		change: func(s *swan) { s.IKE, s.ESP = "aes256-sha1-modp2048", "aes256-sha1" },
		files: func(*lab) map[string]string {
			return map[string]string{"office.conf": `# office
IPSec gateway ` + gatewayAddress + `
IPSec ID staff
IPSec obfuscated secret ` + importedBlob + `
Xauth username alice
Xauth password "wonderland"
IKE DH Group dh14
Perfect Forward Secrecy nopfs
Script /etc/vpnc/vpnc-script
Enable weak encryption
`}
		},
	},
	{
		name:   "Shrew",
		change: func(s *swan) { s.IKE, s.ESP = "aes256-sha256-modp2048", "aes256-sha1" },
		files: func(*lab) map[string]string {
			return map[string]string{"office.vpn": `n:version:4
s:network-host:` + gatewayAddress + `
s:client-auto-mode:pull
s:client-iface:virtual
s:network-natt-mode:enable
s:auth-method:mutual-psk-xauth
s:ident-client-type:keyid
s:ident-client-data:staff
s:ident-server-type:any
b:auth-mutual-psk:` + base64.StdEncoding.EncodeToString([]byte(importedSecret)) + `
s:phase1-exchange:aggressive
s:phase1-cipher:aes
n:phase1-keylen:256
s:phase1-hash:sha2-256
n:phase1-dhgroup:14
s:phase2-transform:esp-aes
n:phase2-keylen:256
s:phase2-hmac:sha1
n:phase2-pfsgroup:-1
n:policy-list-auto:1
s:client-saved-username:alice
`}
		},
	},
	{
		name: "Shrew, certificates",
		change: func(s *swan) {
			s.Proof, s.Aggressive, s.User, s.IKE, s.ESP = byRSA, false, "", "3des-sha1-modp1536", "3des-sha1"
			s.GatewayID = "gateway.example"
		},
		files: func(l *lab) map[string]string {
			data := func(name string) string { return base64.StdEncoding.EncodeToString([]byte(l.read(name))) }
			return map[string]string{"office.vpn": `n:version:4
s:network-host:` + gatewayAddress + `
s:auth-method:mutual-rsa
s:ident-client-type:asn1dn
s:ident-server-type:fqdn
s:ident-server-data:gateway.example
s:auth-server-cert-name:root.pem
b:auth-server-cert-data:` + data("root.pem") + `
s:auth-client-cert-name:client.pem
b:auth-client-cert-data:` + data("client.pem") + `
s:auth-client-key-name:client.key
b:auth-client-key-data:` + data("client.key") + `
s:phase1-exchange:main
s:phase1-cipher:3des
s:phase1-hash:sha1
n:phase1-dhgroup:5
s:phase2-transform:esp-3des
s:phase2-hmac:sha1
`}
		},
	},
	{
		name: "NetworkManager, vpnc",
		files: func(*lab) map[string]string {
			return map[string]string{"Office.nmconnection": `[connection]
id=Lab office
uuid=3b0d8f0e-1f0a-4c55-9a7d-2f1f6a2f9b10
type=vpn

[vpn]
IPSec gateway=` + gatewayAddress + `
IPSec ID=staff
IPSec secret-flags=0
Xauth password-flags=0
Xauth username=alice
NAT Traversal Mode=force-natt
service-type=org.freedesktop.NetworkManager.vpnc

[vpn-secrets]
IPSec secret=` + importedSecret + `
Xauth password=wonderland

[ipv4]
method=auto
`}
		},
	},
	{
		name:   "NetworkManager, libreswan",
		change: func(s *swan) { s.Group, s.IKE, s.ESP = "fqdn:staff", "aes256-sha1-modp1536", "aes256-sha1-modp1536" },
		files: func(*lab) map[string]string {
			return map[string]string{"Office.nmconnection": `[connection]
id=Lab office
uuid=3b0d8f0e-1f0a-4c55-9a7d-2f1f6a2f9b11
type=vpn

[vpn]
right=` + gatewayAddress + `
leftid=staff
leftxauthusername=alice
service-type=org.freedesktop.NetworkManager.libreswan

[vpn-secrets]
pskvalue=` + importedSecret + `
xauthpassword=wonderland
`}
		},
	},
	{
		name: "mobileconfig",
		// Apple's clients name no algorithms; the gateway takes what they offer.
		change: func(s *swan) { s.IKE, s.ESP = appleIKE, appleESP },
		files: func(*lab) map[string]string {
			return map[string]string{"office.mobileconfig": mobileconfig(importedSecret)}
		},
	},
	{
		name:   "libreswan",
		change: func(s *swan) { s.IKE, s.ESP = "aes256-sha1-modp1536", "aes256-sha1" },
		files: func(*lab) map[string]string {
			return map[string]string{"ipsec.conf": `conn office
	keyexchange=ikev1
	aggressive=yes
	authby=secret
	left=%defaultroute
	leftid=@[staff]
	leftxauthclient=yes
	leftmodecfgclient=yes
	leftusername=alice
	right=` + gatewayAddress + `
	rightmodecfgserver=yes
	modecfgpull=yes
	ike=aes256-sha1;modp1536
	esp=aes256-sha1
	pfs=no
	remote-peer-type=cisco
`, "ipsec.secrets": `@[staff] ` + gatewayAddress + ` : PSK "` + importedSecret + `"
@alice : XAUTH "wonderland"
`}
		},
	},
}

// Apple's sets as strongSwan spells them.
const (
	appleIKE = "aes256-sha256-modp2048,aes256-sha1-modp2048,aes256-sha1-modp1536,aes256-sha1-modp1024,aes128-sha1-modp1024,3des-sha1-modp1024"
	appleESP = "aes256-sha256,aes256-sha1,aes128-sha1,3des-sha1"
)

func mobileconfig(secret string) string {
	return xml.Header + `<plist version="1.0"><dict>
	<key>PayloadType</key><string>Configuration</string>
	<key>PayloadContent</key><array><dict>
		<key>PayloadType</key><string>com.apple.vpn.managed</string>
		<key>UserDefinedName</key><string>Lab office</string>
		<key>VPNType</key><string>IPSec</string>
		<key>IPSec</key><dict>
			<key>RemoteAddress</key><string>` + gatewayAddress + `</string>
			<key>AuthenticationMethod</key><string>SharedSecret</string>
			<key>LocalIdentifier</key><string>staff</string>
			<key>LocalIdentifierType</key><string>KeyID</string>
			<key>SharedSecret</key><data>` + base64.StdEncoding.EncodeToString([]byte(secret)) + `</data>
			<key>XAuthEnabled</key><integer>1</integer>
			<key>XAuthName</key><string>alice</string>
			<key>XAuthPassword</key><string>wonderland</string>
		</dict>
	</dict></array>
</dict></plist>`
}

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// A profile that was imported connects, as it is, to the gateway that the other client was for.
func TestImportedProfilesConnect(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	for _, c := range importedCases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, false)
			l.serve()
			s := labSwan
			s.Secret, s.IKE, s.ESP = importedSecret, "aes256-sha1-modp1024", "aes256-sha1"
			if c.change != nil {
				c.change(&s)
			}
			l.swanGateway(s)
			before := l.client.network()
			client := l.imported(c.files(l))
			client.up()
			l.carries(firstOfPool, host1)
			l.carries(firstOfPool, host2)
			l.staysOutside(host3)
			client.quit(before)
		})
	}
}

// What was exported connects too, after it was imported again.
func TestExportedProfilesConnect(t *testing.T) {
	needStrongSwan(t)
	t.Parallel()
	for _, format := range formats.Formats() {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, false)
			l.serve()
			s := labSwan
			s.IKE, s.ESP = "aes256-sha1-modp1024", "aes256-sha1"
			if format == "mobileconfig" {
				s.IKE, s.ESP = appleIKE, appleESP
			}
			l.swanGateway(s)
			before := l.client.network()
			data, _, err := formats.Export(l.one(map[string]string{"office.toml": l.read(filepath.Base(l.profile(s.profile().with(settings{"ike": []string{"aes256-sha1-modp1024"}, "esp": []string{"aes256-sha1"}}))))}), format, true)
			if err != nil {
				t.Fatal(err)
			}
			client := l.imported(map[string]string{"office" + formats.Suffix(format): string(data)})
			client.up()
			l.carries(firstOfPool, host1)
			client.quit(before)
		})
	}
}

// read reads a file of the lab's folder.
func (l *lab) read(name string) string {
	l.t.Helper()
	data, err := os.ReadFile(filepath.Join(l.dir, name))
	if err != nil {
		l.t.Fatal(err)
	}
	return string(data)
}

// one imports files that are one profile.
func (l *lab) one(files map[string]string) *profile.Profile {
	l.t.Helper()
	var given []formats.File
	for name, data := range files {
		given = append(given, formats.File{Name: name, Data: []byte(data)})
	}
	r, err := formats.Import(given)
	if err != nil || len(r.Profiles) != 1 {
		l.t.Fatalf("%+v, %v", r, err)
	}
	i := r.Profiles[0]
	l.t.Logf("%s: guessed %v, ignored %v, warnings %v", i.Format, i.Guessed, i.Ignored, i.Warnings)
	return i.Profile
}

// imported starts postern with the profile that files are, with what they hold beside it.
func (l *lab) imported(files map[string]string) *postern {
	l.t.Helper()
	p := l.one(files)
	if p.Password == nil {
		p.Password = profile.Secret("wonderland") // what the person types
	}
	dir := l.folder("imported")
	for _, f := range []struct {
		path string
		data []byte
	}{
		{p.Certificate, p.Files.Certificate},
		{p.Key, p.Files.Key},
		{p.CA, p.Files.CA},
		{p.GatewayCertificate, p.Files.GatewayCertificate},
		{"imported.toml", p.MarshalWithSecrets()},
	} {
		if f.data == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, f.path), f.data, 0o600); err != nil {
			l.t.Fatal(err)
		}
	}
	return &postern{l.client.start(nil, program(l.t, "postern"), "run", filepath.Join(dir, "imported.toml"),
		"--json", "--no-prompt", "--state-dir", filepath.Join(l.dir, "state"))}
}
