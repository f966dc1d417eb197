package formats

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCombine(t *testing.T) {
	for _, c := range []struct {
		written string
		ike     bool
		want    string // proposals, or what the error says behind "!"
	}{
		{"aes256-sha1-modp1536", true, "aes256-sha1-modp1536"},
		{"aes256-sha1;modp1536", true, "aes256-sha1-modp1536"},
		{"AES256-SHA2_512;DH14", true, "aes256-sha512-modp2048"},
		{"aes128-aes256-sha1-md5-modp1024", true, "aes128-sha1-modp1024 aes128-md5-modp1024 aes256-sha1-modp1024 aes256-md5-modp1024"},
		{"aes256-sha256-prfsha256-modp2048-ecp256", true, "aes256-sha256-modp2048 aes256-sha256-ecp256"},
		{"3des-md5", true, "3des-md5-modp2048 3des-md5-modp1536"},
		{"aes-sha", false, "aes256-sha1 aes128-sha1"},
		{"aes_gcm256-null", false, "aes256gcm16"},
		{"aes128gcm16-modp2048-noesn", false, "aes128gcm16-modp2048"},
		{"aes256-sha256_96", false, "aes256-sha256_96"},
		{"null-md5", false, "null-md5"},
		{"camellia256-sha1-modp2048", true, `!"camellia256" in "camellia256-sha1-modp2048" isn't known here`},
		{"sha1-modp1024", true, "!is no proposal"},
		{"aes128gcm16-modp2048", true, "!des, 3des or aes"},
		{strings.Repeat("aes128-aes192-aes256-3des-des-", 3) + "sha1-md5-sha256-sha384-sha512-modp1024", true, "!is no proposal"},
	} {
		got, err := combine(c.written, c.ike)
		if want, failing := strings.CutPrefix(c.want, "!"); failing {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want an error with %q", c.written, err, want)
			}
			continue
		}
		if err != nil || strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, %v, want %s", c.written, got, err, c.want)
		}
	}
}

func TestSwanIdentity(t *testing.T) {
	for written, want := range map[string]string{
		"%any":                  "address ",
		"192.0.2.1":             "address 192.0.2.1",
		"gw.example":            "fqdn gw.example",
		"@gw.example":           "fqdn gw.example",
		"jdoe@acme.example":     "user-fqdn jdoe@acme.example",
		"@@jdoe@acme.example":   "user-fqdn jdoe@acme.example",
		"@[contractors]":        "key-id contractors",
		"@#67726f7570":          "key-id group",
		"@#0xff00":              " ff00",
		"keyid:contractors":     "key-id contractors",
		"keyid:#67726f7570":     "key-id group",
		"fqdn:a@b":              "fqdn a@b",
		"C=DE, CN=jdoe":         "dn C=DE, CN=jdoe",
		"asn1dn:#300d":          "dn 300d",
		"2001:db8::1":           "address 2001:db8::1",
		"email:x@acme.example":  "user-fqdn x@acme.example",
		"@~300d310b3009":        "dn 300d310b3009",
		"@#not hexadecimal 123": " not hexadecimal 123",
	} {
		kind, value := swanIdentity(written)
		if got := string(kind) + " " + value; got != want {
			t.Errorf("%s: %q, want %q", written, got, want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for written, want := range map[string]string{
		"90": "90s", "90s": "90s", "30m": "1800s", "8h": "28800s", "1d": "86400s", "8 h": "28800s", "0": "", "-1": "", "h": "", "99999999999999": "", "1w": "",
	} {
		d := (&reading{}).draft(&text{name: "x"}, "x")
		if d.seconds(at{}, "dpd", written); d.text("dpd") != want {
			t.Errorf("%s: %q, want %q", written, d.text("dpd"), want)
		}
		if odd := want == "" && written != "0"; odd != (len(d.in.Warnings) == 1) {
			t.Errorf("%s: %v", written, d.in.Warnings)
		}
	}
}

func TestParseNetwork(t *testing.T) {
	for written, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "10.0.0.0/255.0.0.0": "10.0.0.0/8", "10.1.2.3": "10.1.2.3/32", "10.1.2.3/8": "10.0.0.0/8", "0.0.0.0/0.0.0.0": "0.0.0.0/0",
		" 10.0.0.0 / 8 ": "10.0.0.0/8", "2001:db8::/32": "2001:db8::/32", "10.0.0.0/255.0.255.0": "!no mask", "10.0.0.0/33": "!no mask",
		"10.0.0.0/": "!no mask", "office": "!isn't a network", "": "!isn't a network", "fe80::1%eth0/64": "!isn't a network",
	} {
		got, err := parseNetwork(written)
		if wrong, failing := strings.CutPrefix(want, "!"); failing {
			if err == nil || !strings.Contains(err.Error(), wrong) {
				t.Errorf("%s: %v, want an error with %q", written, err, wrong)
			}
		} else if err != nil || got.String() != want {
			t.Errorf("%s: %v, %v, want %s", written, got, err, want)
		}
	}
}

func TestIpsecSecrets(t *testing.T) {
	entries, warnings := parseIpsecSecrets(strings.Join([]string{
		`# comment`,
		`a b : PSK "with blanks # and : colons"   # comment`,
		`: XAUTH 'it''`,
		`c: psk`,
		`	0sAAAA`,
		`nothing at all`,
		`: PSK "open`,
		`include /etc/other`,
	}, "\n"))
	type entry struct {
		Selectors, Values []string
		Kind              string
		Line              int
	}
	var got []entry
	for _, e := range entries {
		got = append(got, entry{e.selectors, e.values, e.kind, e.line})
	}
	want := []entry{
		{[]string{"a", "b"}, []string{"with blanks # and : colons"}, "PSK", 2},
		{[]string{"c"}, []string{"0sAAAA"}, "PSK", 4},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(warnings) != 4 || strings.Contains(fmt.Sprint(warnings), "open") {
		t.Errorf("%v", warnings)
	}
}

// hostileTexts are files that want to fill the memory, the stack or a day, or to get
// something run, opened or printed. Each is refused or tamed with a sentence.
func TestHostileConfigurations(t *testing.T) {
	lines := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i, i)
			b.WriteByte('\n')
		}
		return b.String()
	}
	for name, c := range map[string]struct{ body, want string }{
		"swanctl deep":         {"connections {" + strings.Repeat("a {\n", 60000), "more than 16 sections in each other"},
		"swanctl open":         {"connections {\n a {", "ends in the middle of the section"},
		"swanctl quote":        {"connections {\n a = \"", "ends in the middle of the text in quotes"},
		"swanctl closes":       {"connections {\n}\n}", `a "}" too many`},
		"swanctl keys":         {"connections {\n" + lines(3000, "k%d = %d") + "}", "more than 1024 keys"},
		"swanctl sections":     {"connections {\n" + lines(3000, "c%d { version = %d }") + "}", "more than 512 sections"},
		"swanctl nothing":      {"secrets {\n}\n", "no connection"},
		"ipsec keys":           {"conn a\n keyexchange=ikev1\n" + lines(3000, " k%d=%d"), "more than 1024 keys"},
		"ipsec conns":          {lines(3000, "conn c%d\n\talso=c%d"), "more than 512 sections"},
		"ipsec circle":         {"conn a\n also=b\n keyexchange=ikev1\nconn b\n also=a\n right=gw.example\n left=%any\n ike=aes256-sha1-modp2048\n", ""},
		"ipsec stray":          {"conn a\nwhat is this\n", `neither "conn NAME" nor`},
		"racoon deep":          {"remote x " + strings.Repeat("{ a\n", 60000), "more than 16 blocks"},
		"racoon circle":        {"remote a inherit b { exchange_mode main; }\nremote b inherit a { exchange_mode main; }", ""},
		"racoon many":          {lines(3000, "remote r%d { lifetime time %d sec; }"), "more than 512 remotes"},
		"racoon product":       {"remote g { exchange_mode main; }\nsainfo anonymous { encryption_algorithm " + strings.Repeat("aes 256,des,", 3000) + "3des; authentication_algorithm " + strings.Repeat("hmac_md5,", 3000) + "hmac_sha1; }", ""},
		"fritz comment":        {"vpncfg { /* never ends", "middle of a comment"},
		"fritz deep":           {"vpncfg {" + strings.Repeat("connections {", 1000), "more than 16 blocks"},
		"fritz half":           {"vpncfg {\n connections {\n name = \"x", "ends in the middle"},
		"fritz closes":         {"vpncfg {\n}\n}", `a "}" too many`},
		"fritz backup":         {"**** FRITZ!Box 7490 CONFIGURATION EXPORT\n**** CFGFILE:vpn.cfg\nvpncfg {\n}\n", "backup of a FRITZ!Box"},
		"xml laughs":           {`<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><forticlient_configuration>&b;</forticlient_configuration>`, "declares entities"},
		"xml outside":          {`<!DOCTYPE x SYSTEM "file:///etc/passwd" [<!ENTITY x SYSTEM "file:///etc/passwd">]><forticlient_configuration><vpn>&x;</vpn></forticlient_configuration>`, "declares entities"},
		"xml undeclared":       {`<forticlient_configuration><vpn>&x;</vpn></forticlient_configuration>`, "isn't sound XML"},
		"xml deep":             {"<forticlient_configuration>" + strings.Repeat("<a>\n", 60000), "more than 16 elements"},
		"xml open":             {"<forticlient_configuration><vpn>", "doesn't end"},
		"xml crossed":          {"<forticlient_configuration><a></b></a></forticlient_configuration>", "closes an element that isn't open"},
		"xml other name":       {"<a><forticlient_configuration/></a>", "no IPsec connection"},
		"plist laughs":         {`<!DOCTYPE plist [<!ENTITY a "ha">]><plist><dict><key>&a;</key></dict></plist>`, "declares entities"},
		"plist odd":            {`<plist><dict><key>a</key></dict></plist>`, "don't pair"},
		"plist base64":         {`<plist><dict><key>a</key><data>***</data></dict></plist>`, "isn't base64"},
		"plist element":        {`<plist><script/></plist>`, "where a property list has a value"},
		"plist of others":      {`<plist><dict><key>a</key><string>b</string></dict></plist>`, "isn't a configuration profile"},
		"plist encrypted":      {`<plist><dict><key>PayloadType</key><string>Configuration</string><key>EncryptedPayloadContent</key><data>AAAA</data></dict></plist>`, "encrypted for one device"},
		"plist without a vpn":  {`<plist><dict><key>PayloadContent</key><array/></dict></plist>`, "has no VPN in it"},
		"control characters":   {"connections {\n \x1b[31mred { version = 2\n }\n}\n", "?[31mred"},
		"a newline in a value": {"connections {\n a { version = 1\n remote_addrs = \"gw.example\nScript /bin/evil\"\n }\n}\n", "host"},
	} {
		begin := time.Now()
		r, err := Import([]File{{Name: "../../etc/x.conf", Data: []byte(c.body)}})
		if took := time.Since(begin); took > 10*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
		if r != nil {
			sound(t, r)
		}
		said := describe(r, err)
		if (err == nil) != (c.want == "") || !strings.Contains(said, c.want) {
			t.Errorf("%s: said %.300q, want %q", name, said, c.want)
		}
		if strings.ContainsAny(said, "\x1b\x00") || strings.Contains(said, "../") {
			t.Errorf("%s: said %.300q", name, said)
		}
	}
}
