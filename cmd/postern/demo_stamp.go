package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/netip"

	"postern/client/concentrator/radiusserver"
)

// newDemoSTAMP prepares the VPN 5000's own exchanges. One server knows the user's
// password, group and IKE shared key, another one the token.
func newDemoSTAMP(out io.Writer, password string) (*demoAuth, error) {
	seed := []byte(rand.Text())
	person := &demoPerson{out: out, seed: seed, pin: "1234", newPIN: "246810"}
	a := &demoAuth{local: rand.Text(), key: rand.Text(), password: password, ask: person.answer, group: "SecurIDRequired = true"}
	papSecret, secret := rand.Text(), rand.Text()
	listen := func(name string, user *radiusserver.User) (netip.AddrPort, error) {
		s, err := radiusserver.Listen(netip.MustParseAddrPort("127.0.0.1:0"), radiusserver.Config{
			Secret: []byte(secret), Users: map[string]*radiusserver.User{demoUser: user},
			Saw: func(line string) { fmt.Fprintf(out, "    %s: %s\n", name, line) },
		})
		if err != nil {
			return netip.AddrPort{}, err
		}
		a.servers = append(a.servers, s)
		return s.Addr(), nil
	}
	passwords, err := listen("RADIUS", &radiusserver.User{
		Password: password, Group: demoGroup, SharedKey: a.key, Address: netip.MustParseAddr("10.20.0.15"),
	})
	if err != nil {
		return nil, err
	}
	a.token = &radiusserver.Token{Seed: seed, PIN: person.pin, NewPIN: radiusserver.AnyPIN, NextTokencode: true}
	tokens, err := listen("SecurID", &radiusserver.User{Token: a.token})
	if err != nil {
		a.close()
		return nil, err
	}
	fmt.Fprintf(out, "An embedded RADIUS server listens on %v, and one that knows the user's token on %v, UDP.\n", passwords, tokens)
	a.config = fmt.Sprintf(demoSTAMP, passwords.Addr(), passwords.Port(), passwords.Port(), secret, papSecret, tokens.Addr(), tokens.Port(), secret)
	a.profile = fmt.Sprintf("vpn5000 = \"required\"\nradius = \"pap\"\npap_auth_secret = %q\n", papSecret)
	return a, nil
}

// demoSTAMP is what the gateway knows of both. The users are of demoConfig's group.
const demoSTAMP = `
[ General ]
Authentication = radius

[ RADIUS ]
PrimAddress = %v
AuthPort = %d
AcctPort = %d
Secret = %s
ChallengeType = PAP
PAPAuthSecret = %s

[ SecurID ]
PrimAddress = %v
AuthPort = %d
Secret = %s
`
