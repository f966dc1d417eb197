package client_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/client"
	"postern/ike"
	"postern/ike/isakmp"
	"postern/ike/pki/pkitest"
	"postern/tun"
	"postern/xauth"
)

// impostor is a gateway that has what it has, takes whatever a client can prove, and
// asks for name and password at once.
type impostor struct {
	addr netip.AddrPort

	mu       sync.Mutex
	received []isakmp.ExchangeType // from clients
	offered  []isakmp.AuthMethod   // in first messages
}

func newImpostor(t *testing.T, cred ike.Credential, id isakmp.ID) *impostor {
	t.Helper()
	carrier, err := tun.ListenUDP(netip.MustParseAddrPort("127.0.0.1:0"), tun.Encapsulated)
	if err != nil {
		t.Fatal(err)
	}
	i := &impostor{addr: carrier.LocalAddr()}
	router := ike.NewRouter(func(msg []byte, to ike.Path) error { return carrier.SendIKE(msg, tun.Path(to)) })
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	tasks.Go(func() {
		_ = carrier.Serve(func(msg []byte, from tun.Path) { i.note(msg); router.Deliver(msg, ike.Path(from)) })
	})
	proposal := ike.Proposal{Cipher: isakmp.CipherAES, KeyBits: 256, Hash: isakmp.HashSHA256, Group: isakmp.GroupMODP2048}
	server := &xauth.Server{Verify: func(context.Context, *ike.SA, string, []byte) error { return nil }}
	tasks.Go(func() {
		for {
			w, err := router.Next(ctx)
			if err != nil {
				return
			}
			tasks.Go(func() {
				sa, err := ike.Accept(ctx, w, ike.Config{
					Methods: []isakmp.AuthMethod{
						isakmp.AuthHybridInitRSA, isakmp.AuthXAuthInitRSA, isakmp.AuthRSA, isakmp.AuthXAuthInitPSK, isakmp.AuthPSK,
					},
					Proposals: []ike.Proposal{proposal}, Identity: id, Credentials: []ike.Credential{cred}, AlwaysSendCertificate: true,
					Verify: takeAnything,
					Groups: func(ike.Hello) []ike.Group { return []ike.Group{{Name: "staff", Secret: []byte(groupKey)}} },
				})
				if err != nil {
					return
				}
				defer sa.Abandon()
				_, _ = server.Authenticate(ctx, sa)
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		router.Close()
		_ = carrier.Close()
		tasks.Wait()
	})
	return i
}

func takeAnything(e ike.Evidence) (crypto.PublicKey, error) {
	if len(e.Certificates) == 0 {
		return nil, errors.New("none")
	}
	c, err := x509.ParseCertificate(e.Certificates[0].Data)
	if err != nil {
		return nil, err
	}
	return c.PublicKey, nil
}

func (i *impostor) note(msg []byte) {
	h, err := isakmp.ParseHeader(msg)
	if err != nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.received = append(i.received, h.Exchange)
	if h.Flags&isakmp.FlagEncryption != 0 || h.ResponderCookie != (isakmp.Cookie{}) {
		return
	}
	m, err := isakmp.ParseMessage(h, msg[isakmp.HeaderLen:])
	if err != nil {
		return
	}
	sa, err := isakmp.ParseSA(m.Get(isakmp.PayloadSA))
	if err != nil {
		return
	}
	for _, tr := range sa.Proposals[0].Transforms {
		for _, a := range tr.Attributes {
			if v, err := a.Uint(); err == nil && a.Type == isakmp.AttrAuthMethod {
				i.offered = append(i.offered, isakmp.AuthMethod(v))
			}
		}
	}
}

// count is how many messages of an exchange came from clients.
func (i *impostor) count(typ isakmp.ExchangeType) (n int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, r := range i.received {
		if r == typ {
			n++
		}
	}
	return n
}

func credential(key *pkitest.Pair, chain ...*pkitest.Pair) ike.Credential {
	c := ike.Credential{Key: key.Key}
	for _, p := range chain {
		c.Chain = append(c.Chain, p.Raw)
	}
	return c
}

// A gateway whose certificate or identity isn't the demanded one ends the attempt with
// exit code 11, and gets no octet of XAuth.
func TestImpostorGetsNothing(t *testing.T) {
	o := newOffice(t)
	key := o.gateway.Key
	leaf := func(change ...func(*x509.Certificate)) *pkitest.Pair {
		return o.below.Leaf(t, "gateway", key, change...)
	}
	dns := func(names ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.DNSNames = names }
	}
	fqdn := func(name string) isakmp.ID { return isakmp.ID{Type: isakmp.IDFQDN, Data: []byte(name)} }
	elsewhere := dns("other.example")
	alone := pkitest.SelfSigned(t, "gateway", key, host)
	revoked := leaf(host)
	crl := o.file("below.crl", o.below.CRL(t, time.Now().Add(time.Hour), revoked).Raw)
	thief := &pkitest.Pair{Certificate: o.gateway.Certificate, Key: pkitest.RSA(t, 2048, 2)}
	o.file("alone.pem", pkitest.PEM(alone))

	const ca = "ca = 'root.pem'\n"
	for n, c := range []struct {
		name  string
		cred  ike.Credential
		id    isakmp.ID
		trust string
		code  string
		text  string
	}{
		{"a valid chain and a wrong identity", credential(o.gateway, o.gateway, o.below), fqdn("other.example"), ca, "certificate_wrong_name", "other.example"},
		{"a valid chain and a group's name as identity", credential(o.gateway, o.gateway, o.below), isakmp.ID{Type: isakmp.IDKeyID, Data: []byte("staff")}, ca, "certificate_wrong_name", "staff"},
		{"a valid chain for another name", credential(leaf(elsewhere), leaf(elsewhere), o.below), fqdn("other.example"), ca, "certificate_wrong_name", "other.example"},
		{"a valid chain for another name than gateway_identity", credential(o.gateway, o.gateway, o.below), fqdn("gw.example"), ca + "gateway_identity = 'gw2.example'\n", "certificate_wrong_name", "gw2.example"},
		{"expired", credential(leaf(), leaf(host, func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().AddDate(-2, 0, 0), time.Now().AddDate(-1, 0, 0)
		}), o.below), fqdn("gw.example"), ca, "certificate_expired", "CN=gateway"},
		{"not yet valid", credential(leaf(), leaf(host, func(c *x509.Certificate) { c.NotBefore = time.Now().AddDate(0, 1, 0) }), o.below), fqdn("gw.example"), ca, "certificate_not_yet_valid", "CN=gateway"},
		{"a user's certificate", credential(o.user, o.user, o.below), isakmp.ID{Type: isakmp.IDUserFQDN, Data: []byte("alice@example")}, ca, "certificate_wrong_usage", "CN=alice"},
		{"revoked", credential(revoked, revoked, o.below), fqdn("gw.example"), ca + fmt.Sprintf("crl = [%q]\n", crl), "certificate_revoked", "CN=gateway"},
		{"self-signed", credential(alone, alone), fqdn("gw.example"), ca, "certificate_self_signed", "CN=gateway"},
		{"a foreign authority", credential(o.gateway, pkitest.Root(t, "foreign", pkitest.ECDSA(t)).Leaf(t, "gateway", key, host)), fqdn("gw.example"), ca, "certificate_untrusted", "CN=foreign"},
		{"a short key", credential(o.gateway, o.below.Leaf(t, "gateway", pkitest.RSA(t, 1024, 0), host), o.below), fqdn("gw.example"), ca, "certificate_weak", "1024"},
		{"another than the known one", credential(o.gateway, o.gateway, o.below), fqdn("gw.example"), "gateway_certificate = 'alone.pem'\n", "certificate_changed", "CN=gateway"},
		{"another than the pinned one", credential(o.gateway, o.gateway, o.below), fqdn("gw.example"), "gateway_pin = 'sha256:" + strings.Repeat("00", 32) + "'\n", "certificate_changed", "CN=gateway"},
		{"garbage", ike.Credential{Key: key, Chain: [][]byte{[]byte("garbage")}}, fqdn("gw.example"), ca, "certificate_malformed", "can't be read"},
		{"somebody else's certificate", credential(thief, o.gateway, o.below), fqdn("gw.example"), ca, "gateway_signature", "key of its certificate"},
	} {
		for _, mode := range []string{"main", "aggressive"} {
			if mode == "aggressive" && (n >= 4 && c.code != "gateway_signature" || testing.Short()) {
				continue // each waits 5 s for a better answer
			}
			t.Run(c.name+" "+mode, func(t *testing.T) {
				t.Parallel()
				o := *o
				o.t = t
				i := newImpostor(t, c.cred, c.id)
				p := o.profile(i.addr, "auth = 'hybrid'\nidentity = 'staff'\nsecret = '"+groupKey+"'\n"+xauthUser+c.trust+fmt.Sprintf("mode = %q\n", mode))
				conn := connect(t, p, nil)
				var r *client.Reason
				select {
				case err := <-conn.ended:
					if !errors.As(err, &r) || r.Code != c.code || r.Exit != client.ExitIdentity || !strings.Contains(r.Error(), c.text) {
						t.Errorf("%v (%+v), want %s with %q", err, r, c.code, c.text)
					}
				case <-time.After(60 * time.Second):
					t.Fatal("goes on")
				}
				time.Sleep(200 * time.Millisecond) // for what may be on its way
				if n := i.count(isakmp.ExchangeTransaction); n > 0 {
					t.Errorf("%d messages of XAuth were sent", n)
				}
				if i.count(isakmp.ExchangeMain)+i.count(isakmp.ExchangeAggressive) == 0 {
					t.Error("nothing came at all")
				}
			})
		}
	}
}

// Whatever a gateway offers in its place, a profile with certificates or hybrid never
// offers a pre-shared key.
func TestNoFallBack(t *testing.T) {
	o := newOffice(t)
	for name, lines := range map[string]string{
		"hybrid": "auth = 'hybrid'\nidentity = 'staff'\nsecret = '" + groupKey + "'\nca = 'root.pem'\n" + xauthUser,
		"rsa":    "auth = 'rsa'\n" + ourFiles + xauthUser,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := *o
			o.t = t
			// It has a key of another kind, so that only the pre-shared key is left.
			i := newImpostor(t, ike.Credential{Key: pkitest.ECDSA(t)}, isakmp.ID{Type: isakmp.IDFQDN, Data: []byte("gw.example")})
			conn := connect(t, o.profile(i.addr, lines), nil)
			var r *client.Reason
			if err := <-conn.ended; !errors.As(err, &r) || r.Code != "no_proposal" {
				t.Errorf("%v (%+v)", err, r)
			}
			i.mu.Lock()
			defer i.mu.Unlock()
			if len(i.offered) == 0 || slices.Contains(i.offered, isakmp.AuthPSK) || slices.Contains(i.offered, isakmp.AuthXAuthInitPSK) {
				t.Errorf("offered %v", i.offered)
			}
		})
	}
}
