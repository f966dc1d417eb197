package profile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMarshal(t *testing.T) {
	p, err := Parse([]byte(`
name = "head office"
gateway = "vpn.example.com:4500"
mode = "aggressive"
identity = "staff"
secret = "736563726574"
secret_encoding = "hex"
user = 'DOM\alice "x"'
password = "hunter2\u0001"
ike = ["3des-md5-modp1024", "aes128-sha1-modp1024"]
esp = ["aes256-sha1-modp1536"]
networks = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/24", "192.168.1.0/24", "192.168.2.0/24", "192.168.3.0/24"]
default_route = false
lifetime.esp = "30m"
`), "x.toml")
	if err != nil {
		t.Fatal(err)
	}
	const want = `name = "head office"
gateway = "vpn.example.com:4500"
mode = "aggressive"
identity = "staff"

SECRETsecret_encoding = "hex"

user = "DOM\\alice \"x\""
PASSWORD
# 3DES is outdated: its blocks are too small for much traffic.
# MD5 is outdated.
# The Diffie-Hellman group MODP1024 is within reach of a rich attacker.
ike = ["3des-md5-modp1024", "aes128-sha1-modp1024"]
esp = ["aes256-sha1-modp1536"]

networks = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/24",
    "192.168.1.0/24",
    "192.168.2.0/24",
    "192.168.3.0/24",
]
default_route = false

[lifetime]
esp = "30m"
`
	if got := string(p.Marshal()); got != strings.NewReplacer("SECRET", "", "PASSWORD", "").Replace(want) {
		t.Errorf("without secrets:\n%s", got)
	}
	if got := string(p.MarshalWithSecrets()); got != strings.NewReplacer("SECRET", "secret = \"736563726574\"\n", "PASSWORD", "password = \"hunter2\\u0001\"\n").Replace(want) {
		t.Errorf("with secrets:\n%s", got)
	}
}

// What was read from a file is written in the file's place.
func TestMarshalOfResolvedSecrets(t *testing.T) {
	p := Default()
	p.Name, p.Gateway = "office", Gateway{"vpn", 500}
	p.SecretFile, p.PasswordFile = "/s", "/p"
	p.Secret, p.Password = Secret{0xff, 0}, Secret{0xff}
	if got, want := string(p.Marshal()), "name = \"office\"\ngateway = \"vpn\"\n\nsecret_file = \"/s\"\n\npassword_file = \"/p\"\n"; got != want {
		t.Errorf("%s", got)
	}
	if got, want := string(p.MarshalWithSecrets()), "name = \"office\"\ngateway = \"vpn\"\n\nsecret = \"ff00\"\nsecret_encoding = \"hex\"\n\npassword_file = \"/p\"\n"; got != want {
		t.Errorf("%s", got)
	}
}

// roundTrip says how p differs from what is read of it again.
func roundTrip(p *Profile) string {
	text := p.MarshalWithSecrets()
	again, err := Parse(text, "again.toml")
	if err != nil {
		return fmt.Sprintf("%v in\n%s", err, text)
	}
	if d := diff(p, again); d != "" {
		return fmt.Sprintf("%s in\n%s", d, text)
	}
	if !bytes.Equal(again.MarshalWithSecrets(), text) {
		return "is written differently"
	}
	text = p.Marshal()
	if again, err = Parse(text, "again.toml"); err != nil {
		return fmt.Sprintf("%v in\n%s", err, text)
	}
	for _, s := range again.Secrets() {
		return fmt.Sprintf("a secret of %d octets in\n%s", len(s), text)
	}
	bare := *p
	bare.Secret, bare.Password, bare.OTPSecret, bare.KeyPassphrase, bare.PAPAuthSecret = nil, nil, nil, nil, nil
	return diff(&bare, again)
}

// possible are values for each key, from which random profiles are made.
const possible = `
name = "a" | "head office" | "Büro+1@x"
gateway = "vpn" | "192.0.2.1:4500" | "[2001:db8::1]:501" | "fe80::1%eth0"
mode = "main" | "aggressive"
identity = "staff" | "a@b" | "192.0.2.9" | "3000" | "say \"hello\"\\"
identity_type = "key-id" | "fqdn" | "address" | "dn" | "user-fqdn"
gateway_identity = "gw"
auth = "rsa" | "hybrid" | "ecdsa" | "rsa-encryption"
secret = "0sAP8=" | "00ff" | "a b" | "ü" | "\u007F\t"
secret_encoding = "text" | "hex" | "base64"
secret_file = "s" | "/s"
certificate = "/c" | "c" | "pkcs11:object=a"
key = "/k" | "pkcs11:object=a"
key_passphrase = "'x"
key_passphrase_file = "/f"
ca = "/ca"
crl = ["/a", "b\", \"c"]
gateway_certificate = "/gw"
gateway_pin = "sha256:00"
certificates.allow_sha1 = true | false
certificates.min_rsa_bits = 1024 | 2048 | 4096
xauth = true | false | "optional"
user = "alice" | "a@b" | "staff"
password = "p\"" | "\\"
password_file = "/p"
domain = "D"
otp = "totp" | "skey"
otp_secret = "GEZD"
otp_secret_file = "/o"
vpn5000 = "auto" | "required"
radius = "pap" | "chap"
pap_auth_secret = "x"
vendor = "cisco"
ike = ["des-md5-modp768"] | ["aes256-sha256-modp2048", "aes128-sha1-modp2048"] | ["aes-sha-x25519"]
esp = ["null-sha1"] | ["aes128gcm16-modp1024", "3des-md5-modp1024"]
pfs = "auto" | "modp1024"
selectors = "any"
nat_traversal = "off"
source_port = 500
address = "10.0.0.1" | "::ffff:10.0.0.1"
networks = ["10.0.0.0/8", "::/0"]
exclude = ["1.2.3.4"]
default_route = true | false
local_lan = true
dns = false
dns_servers = ["::1"]
search = ["a.b."]
mtu = 1400
dpd = "off" | "90s"
interface = "tun7"
lifetime.ike = "90s" | "8h"
lifetime.esp = "61m"
`

// What was written is read as it was, for random valid profiles.
func TestMarshalRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const wanted = 2000
	valid, seen := 0, map[string]bool{}
	lines := strings.Split(strings.TrimSpace(possible), "\n")
	for try := 0; valid < wanted && try < 200*wanted; try++ {
		var b strings.Builder
		for _, line := range lines {
			key, values, _ := strings.Cut(line, " = ")
			// Few keys at a time, for most combinations contradict each other.
			if key == "gateway" || random.IntN(8) == 0 {
				choice := strings.Split(values, " | ")
				fmt.Fprintf(&b, "%s = %s\n", key, choice[random.IntN(len(choice))])
			}
		}
		p, err := Parse([]byte(b.String()), "random.toml")
		if err != nil {
			continue
		}
		valid++
		for _, s := range p.Settings(false) {
			seen[s.Key] = true
		}
		if d := roundTrip(p); d != "" {
			t.Fatalf("%s\n%s", b.String(), d)
		}
	}
	if valid < wanted {
		t.Errorf("only %d valid profiles", valid)
	}
	for _, line := range lines {
		if key, _, _ := strings.Cut(line, " = "); !seen[key] {
			t.Errorf("%s was in no valid profile", key)
		}
	}
}

func FuzzMarshal(f *testing.F) {
	examples, err := filepath.Glob("testdata/*.toml")
	if err != nil || len(examples) == 0 {
		f.Fatal(examples, err)
	}
	for _, name := range examples {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("gateway = 'fe80::1%eth0'\nidentity = '\\\"\u200b'\nauth = 'rsa'\ncertificate = './pkcs11:x'"))
	f.Add([]byte("gateway = 'a'\nvpn5000 = 'auto'\nradius = 'pap'\nuser = 'a@b'"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data, "fuzz.toml")
		if err != nil {
			return
		}
		if d := roundTrip(p); d != "" {
			t.Fatal(d)
		}
	})
}
