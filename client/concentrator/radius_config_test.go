package concentrator

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/client/concentrator/radius"
)

const wholeRADIUS = `
[ RADIUS ]
PrimAddress = 192.0.2.1
SecAddress = radius.example.com
Secret = "the secret"
AuthPort = 1645
AcctPort = 1646
ChallengeType = challenge
PAPAuthSecret = "pap secret"
NoCHAP = true
Timeout = 2
Retries = 0
RequireMessageAuthenticator = auto
Accounting = On
AccountingInterval = 300
`

func TestParseRADIUS(t *testing.T) {
	c, err := ParseConfig([]byte(whole("Authentication = radius", "", "alice Config=staff")+wholeRADIUS+"[ SecurID ]\n"), "x.conf")
	if err != nil {
		t.Fatal(err)
	}
	servers := RADIUSServers{
		Primary: "192.0.2.1", Secondary: "radius.example.com", Secret: []byte("the secret"),
		AuthPort: 1645, AcctPort: 1646, Timeout: 2 * time.Second, Retries: 0, Require: radius.Auto,
	}
	want := &RADIUS{
		RADIUSServers: servers, ChallengeType: ChallengeFirst, PAPAuthSecret: []byte("pap secret"), NoCHAP: true,
		Accounting: true, Interim: 5 * time.Minute,
	}
	if d := cmp.Diff(want, c.RADIUS); d != "" {
		t.Error(d)
	}
	if c.SecurID == nil || !c.SecurID.Enabled || c.Groups["staff"].authentication(c) != AuthRADIUS {
		t.Errorf("%+v, %v", c.SecurID, c.Groups["staff"].authentication(c))
	}
	passwords, passcodes := c.radiusClients()
	if passwords == nil || passwords != passcodes {
		t.Error("[ SecurID ] doesn't ask the servers of [ RADIUS ]")
	}
}

func TestParseRADIUSDefaults(t *testing.T) {
	c, err := ParseConfig([]byte(whole("", "Authentication = SecurID", "")+"[ SecurID ]\nPrimAddress = ::1\nSecret = s\n"), "x.conf")
	if err != nil {
		t.Fatal(err)
	}
	want := &SecurID{RADIUSServers{
		Primary: "::1", Secret: []byte("s"), AuthPort: 1812, AcctPort: 1813, Timeout: time.Second, Retries: 3, Require: radius.On,
	}, true}
	if d := cmp.Diff(want, c.SecurID); d != "" {
		t.Error(d)
	}
}

func TestParseRADIUSErrors(t *testing.T) {
	in := func(lines string) string {
		return whole("", "", "") + "[ RADIUS ]\nPrimAddress = 192.0.2.1\nSecret = hunter2\n" + lines
	}
	for _, c := range []struct{ name, text, want string }{
		{"no server", whole("", "", "") + "[ RADIUS ]\nSecret = hunter2", "x.conf:8: [ RADIUS ]: PrimAddress is missing"},
		{"no secret", whole("", "", "") + "[ RADIUS ]\nPrimAddress = 192.0.2.1", "x.conf:8: [ RADIUS ]: Secret is missing"},
		{"named", whole("", "", "") + `[ RADIUS "a" ]`, "has no name"},
		{"twice", in("[ RADIUS ]"), "x.conf:11: [ RADIUS ] stands twice"},
		{"SecurID twice", in("[ SecurID ]\n[ SecurID ]"), "x.conf:12: [ SecurID ] stands twice"},
		{"address", in("SecAddress = a b"), `x.conf:11: [ RADIUS ]: SecAddress: "a b": wants an address or a host name`},
		{"port", in("AuthPort = 65536"), `AuthPort: "65536": wants a number from 1 to 65535`},
		{"port 0", in("AcctPort = 0"), `AcctPort: "0": wants`},
		{"type", in("ChallengeType = MSCHAP"), `ChallengeType: "MSCHAP": wants PAP, CHAP or Challenge`},
		{"CHAP and not", in("ChallengeType = CHAP\nNoCHAP = on"), "x.conf:8: [ RADIUS ]: ChallengeType = CHAP and NoCHAP exclude each other"},
		{"timeout", in("Timeout = 0"), `Timeout: "0": wants seconds from 1 to 60`},
		{"retries", in("Retries = 11"), `Retries: "11": wants a number from 0 to 10`},
		{"policy", in("RequireMessageAuthenticator = maybe"), `RequireMessageAuthenticator: "maybe": wants On, Auto or Off`},
		{"interval", in("AccountingInterval = 59"), `AccountingInterval: "59": wants seconds from 60 on`},
		{"unknown key", in("Sekret = hunter2"), "x.conf:11: [ RADIUS ]: Sekret: no such key; nearest is Secret"},
		{"authentication", whole("Authentication = ldap", "", ""), `x.conf:2: [ General ]: Authentication: "ldap": wants local, radius or securid`},
		{"radius without a section", whole("Authentication = radius", "", ""), `x.conf:3: [ VPN Group "staff" ]: Authentication: radius wants a section [ RADIUS ]`},
		{"SecurID switched off", in("[ SecurID ]\nEnabled = no") + "\n[ VPN Group \"b\" ]\nSharedKey=k\nSecurIDRequired = on", `x.conf:13: [ VPN Group "b" ]: SecurID wants a section [ SecurID ]`},
		{"SecurID without a server", whole("", "Authentication = securid", "") + "[ SecurID ]", "SecurID wants PrimAddress in [ SecurID ] or [ RADIUS ]"},
		{"SecurID without a secret", whole("", "", "") + "[ SecurID ]\nPrimAddress = 192.0.2.1", "x.conf:8: [ SecurID ]: Secret is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseConfig([]byte(c.text), "x.conf")
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
