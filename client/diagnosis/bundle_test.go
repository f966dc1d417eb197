package diagnosis

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"postern/client/localapi"
	"postern/client/profile"
	"postern/client/prompt"
)

// full is a profile with a secret in every place that there is.
func full(t *testing.T) *profile.Profile {
	p := parsed(t, `
identity = "staff-of-acme"
secret = "canary-group-key"
user = "alice.liddell"
password = "canary-password"
otp = "totp"
otp_secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
search = ["corp.acme.example"]
networks = ["10.0.0.0/8"]
`)
	p.KeyPassphrase = profile.Secret("canary-passphrase")
	p.PAPAuthSecret = profile.Secret("canary-pap-secret")
	p.Key = "pkcs11:object=key;pin-value=canary-pin"
	return p
}

// TestNoSecretGetsIntoABundle: not from the profile, and not if somebody else wrote
// one down.
func TestNoSecretGetsIntoABundle(t *testing.T) {
	p := full(t)
	s := upSubject("systemd-resolved", func(t *localapi.Tunnel) {
		t.Prompt = &prompt.Prompt{ID: 4, Message: "Your new PIN is canary-new-pin"}
		t.Reason = &localapi.Reason{Message: "refused: canary-password"}
	})
	s.Profiles, s.Bundle, s.Quiet = []*profile.Profile{p}, true, true
	s.Log = []localapi.LogLine{{Level: "error", Message: "somebody logged canary-group-key", Attrs: map[string]string{"what": "canary-passphrase"}}}
	for _, anonymous := range []bool{false, true} {
		s.Anonymous = anonymous
		r, err := Doctor(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%+v", r)
		for _, secret := range []string{"canary", string(p.OTPSecret)} {
			for _, form := range []string{secret, hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret))} {
				if i := strings.Index(text, form); i >= 0 {
					t.Errorf("anonymous %v: …%s…", anonymous, text[max(0, i-60):min(len(text), i+60)])
				}
			}
		}
		for _, want := range []string{"profile-office.toml", "routes.txt", "status.json", "log.txt", "checks.txt", "system.txt"} {
			if !strings.Contains(text, want) {
				t.Errorf("no %s", want)
			}
		}
	}
}

func TestMask(t *testing.T) {
	p := full(t)
	f := healthy()
	f.resolver.text = "search home.acme.example\n"
	s := upSubject("", func(t *localapi.Tunnel) {
		t.Owner = "wonder"
		t.Gateway = &localapi.GatewayStatus{Name: "vpn.example.com", Address: netip.MustParseAddrPort("203.0.113.7:4500")}
		t.IKE = &localapi.IKEStatus{Peer: "gw.acme.example (FQDN)", Certificate: &localapi.CertificateStatus{Subject: "CN=gw,O=Acme"}}
	})
	s.Profiles = []*profile.Profile{p}
	m := newMask(s, f)
	for _, c := range []struct{ in, want string }{
		{"connected to 203.0.113.7:4500, then 203.0.113.7", "connected to public-1:4500, then public-1"},
		{"2001:db8::7 and 198.51.100.1", "public-2 and public-3"},
		{"fe80::fc:ff:fe00:1/64", "public-4/64"},
		{"192.168.1.1 10.0.0.0/8 127.0.0.1 fd00::1 100.64.0.1", "192.168.1.1 10.0.0.0/8 127.0.0.1 fd00::1 100.64.0.1"},
		{"VPN.example.com, user alice.liddell of corp.acme.example", "gateway-1, user user-1 of domain-1"},
		{"identity = \"staff-of-acme\"", "identity = \"identity-1\""},
		{"alice.liddells are others", "alice.liddells are others"},
		{"at 12:34:56 wonder looked at gw.acme.example", "at 12:34:56 user-2 looked at identity-3"},
		{"home.acme.example", "domain-3"},
		{"CN=gw,O=Acme", "certificate-1"},
		{"", ""},
	} {
		if got := m.text(c.in); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestLogText(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	got := LogText([]localapi.LogLine{{Time: at, Level: "info", Tunnel: "office", Message: "phase 1", Attrs: map[string]string{"b": "2", "a": "x\ny"}}})
	if want := "2026-03-01T12:00:00Z info  office: phase 1 a=\"x\\ny\" b=\"2\"\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestAskServer asks a name server that answers, that knows no such name, and that is
// silent.
func TestAskServer(t *testing.T) {
	for _, c := range []struct {
		name  string
		rcode dnsmessage.RCode
		mute  bool
		want  error
	}{
		{name: "no such name", rcode: dnsmessage.RCodeNameError},
		{name: "nothing to tell", rcode: dnsmessage.RCodeSuccess},
		{name: "silent", mute: true, want: errSilent},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			go func() {
				b := make([]byte, 1500)
				for {
					n, from, err := conn.ReadFrom(b)
					if err != nil {
						return
					}
					var m dnsmessage.Message
					if c.mute || m.Unpack(b[:n]) != nil {
						continue
					}
					m.Response, m.RecursionAvailable, m.RCode, m.Additionals = true, true, c.rcode, nil
					if answer, err := m.Pack(); err == nil {
						_, _ = conn.WriteTo(answer, from)
					}
				}
			}()
			if err := askServer(t.Context(), netip.MustParseAddrPort(conn.LocalAddr().String()), "corp.example."); err != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}
