package client

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"postern/client/profile"
	"postern/client/prompt"
	"postern/ike"
	"postern/ike/isakmp"
	"postern/ike/pki"
)

// trust is what one connection takes for its gateway.
type trust struct {
	verifier pki.Verifier
	names    []pki.Name // one of them has to be in the gateway's certificate; none: any
	demanded string     // those names, for a person
	addr     netip.Addr // where the gateway is

	mu      sync.Mutex
	seen    *pki.Verified      // accepted last
	unknown *x509.Certificate  // seen last, where nothing says whom to trust
	stop    context.CancelFunc // ends a phase 1 that waits for a person
}

// newTrust reads the files about the gateway. Errors are *profile.Error.
func (s *session) newTrust() (*trust, error) {
	p := s.profile
	t := &trust{addr: s.gateway.Addr(), verifier: pki.Verifier{
		Role: pki.Gateway, Encrypts: p.Auth.Encrypts(),
		AllowSHA1: p.Certificates.AllowSHA1, AllowDSA: p.Auth == profile.AuthDSS, MinRSABits: p.Certificates.MinRSABits,
	}}
	ca, err := parseFile(p, "ca", p.CA, p.Files.CA)
	if err != nil {
		return nil, err
	}
	known, err := parseFile(p, "gateway_certificate", p.GatewayCertificate, p.Files.GatewayCertificate)
	if err != nil {
		return nil, err
	}
	t.verifier.Authorities, t.verifier.Revocations = ca.Certificates, ca.Revocations
	t.verifier.Known = known.Certificates
	for i, path := range p.CRL {
		if i >= len(p.Files.CRL) {
			return nil, &profile.Error{File: path, Key: "crl", Problem: "wasn't read"}
		}
		crl, err := parseFile(p, "crl", path, p.Files.CRL[i])
		if err != nil {
			return nil, err
		}
		t.verifier.Revocations = append(t.verifier.Revocations, crl.Revocations...)
	}
	if p.GatewayPin != "" {
		pin, err := pki.ParsePin(p.GatewayPin)
		if err != nil {
			return nil, &profile.Error{File: p.File, Key: "gateway_pin", Problem: err.Error()}
		}
		t.verifier.Pin = &pin
	}
	if v := &t.verifier; v.Pin == nil && len(v.Authorities) == 0 && len(v.Known) == 0 {
		if v.Pin, err = s.client.known.find(s.target.name.String()); err != nil {
			return nil, fmt.Errorf("the gateways known so far: %w", err)
		}
	}
	t.name(p, s.target.name)
	return t, nil
}

// name sets what the certificate must call the gateway: gateway_identity, and where
// an authority alone is trusted, which knows others too, at least the gateway's host.
func (t *trust) name(p *profile.Profile, gateway profile.Gateway) {
	switch alone := len(t.verifier.Known) == 0 && t.verifier.Pin == nil; {
	case p.GatewayIdentity != "":
		t.names, t.demanded = []pki.Name{pki.ParseName(p.GatewayIdentity)}, p.GatewayIdentity
	case alone && len(t.verifier.Authorities) > 0:
		t.names, t.demanded = []pki.Name{pki.ParseName(gateway.Host)}, gateway.Host
	}
}

// parseFile reads the contents of a file that the profile names; none: nothing.
func parseFile(p *profile.Profile, key, path string, data []byte) (*pki.Bundle, error) {
	if path == "" {
		return &pki.Bundle{}, nil
	}
	b, err := pki.Parse(data, nil)
	switch {
	case err != nil:
	case key == "crl" && len(b.Revocations) == 0:
		err = errors.New("no revocation list is in it")
	case key != "crl" && len(b.Certificates) == 0:
		err = errors.New("no certificate is in it")
	default:
		return b, nil
	}
	return nil, &profile.Error{File: path, Key: key, Problem: err.Error()}
}

// judge is ike.Config.Verify. Nothing of the person's was sent by then.
func (t *trust) judge(e ike.Evidence) (crypto.PublicKey, error) {
	var shown pki.Bundle
	var unread error
	for _, c := range e.Certificates {
		if err := shown.AddPayload(uint8(c.Encoding), c.Data); err != nil && unread == nil {
			unread = err
		}
	}
	v, err := t.verifier.Verify(&shown)
	var refused *pki.Error
	switch {
	case err != nil && unread != nil:
		return nil, &pki.Error{Problem: pki.Malformed, Detail: unread.Error()}
	case errors.As(err, &refused) && refused.Problem == pki.Unknown:
		t.meet(refused.Certificate)
		return nil, err
	case err != nil:
		return nil, err
	}
	if err := t.checkNames(v.Certificate, e.Identity); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seen = v
	return v.Certificate.PublicKey, nil
}

// checkNames holds a certificate, and the identity that the gateway gives itself,
// against the names that are demanded. id is nil while it is encrypted.
func (t *trust) checkNames(c *x509.Certificate, id *isakmp.ID) error {
	wrong := func(format string, args ...any) error {
		return &pki.Error{Problem: pki.WrongName, Certificate: c, Detail: fmt.Sprintf(format, args...)}
	}
	called := id != nil && t.demanded != "" && isCalled(*id, t.demanded) == nil
	fits := len(t.names) == 0
	for _, n := range t.names {
		fits = fits || n.In(c)
	}
	sure := len(t.verifier.Known) > 0 || t.verifier.Pin != nil
	if !fits && !(sure && (called || id == nil)) {
		return wrong("is for %s, not for %s", list(pki.Names(c)), t.demanded)
	}
	// RFC 4945, section 3.1: what the gateway calls itself stands in the certificate.
	// Not RFC: many name their address, whatever their certificate says; that adds
	// nothing to what is known. With a known key the name is the person's choice.
	if id == nil || sure || nameOf(*id).In(c) || isCalled(*id, t.addr.String()) == nil {
		return nil
	}
	return wrong("isn't that of %v, as the gateway calls itself (it is for %s)", *id, list(pki.Names(c)))
}

// nameOf is an identity as certificates have it.
func nameOf(id isakmp.ID) pki.Name {
	switch id.Type {
	case isakmp.IDIPv4Addr, isakmp.IDIPv6Addr:
		if a, ok := netip.AddrFromSlice(id.Data); ok {
			return pki.Address(a)
		}
	case isakmp.IDFQDN, isakmp.IDUserFQDN:
		return pki.Host(string(id.Data))
	case isakmp.IDDERASN1DN:
		return pki.DN(id.Data)
	}
	return pki.Name{} // of nobody
}

// list writes names for a person.
func list(names []string) string {
	const most = 4
	out := ""
	for i, n := range names {
		switch {
		case i == most:
			return fmt.Sprintf("%s and %d more", out, len(names)-most)
		case i > 0:
			out += ", "
		}
		out += n
	}
	if out == "" {
		return "nobody"
	}
	return out
}

// meet notes a gateway that nothing is known of, and ends phase 1: a person has to
// be asked, for whom nothing waits.
func (t *trust) meet(c *x509.Certificate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unknown = c
	if t.stop != nil {
		t.stop()
	}
}

// stranger is the certificate of a gateway that nothing is known of, once.
func (t *trust) stranger() *x509.Certificate {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.unknown
	t.unknown = nil
	return c
}

// begin is before a phase 1 that stop ends.
func (t *trust) begin(stop context.CancelFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop, t.unknown, t.seen = stop, nil, nil
}

// authorities are the names that the gateway is told whose certificates count.
func (t *trust) authorities() (names [][]byte) {
	const most = 8 // more would make a long message
	for _, a := range t.verifier.Authorities {
		if len(names) < most {
			names = append(names, a.RawSubject)
		}
	}
	return names
}

// warnings are sentences about the certificate that was accepted.
func (t *trust) warnings() []string {
	v := t.verified()
	if v == nil {
		return nil
	}
	out := v.Warnings
	if w := pki.Expiring("The gateway's", v.Certificate); w != "" {
		out = append(out, w)
	}
	return out
}

// verified is the gateway's certificate; nil: it has none.
func (t *trust) verified() *pki.Verified {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen
}

// maxIntroduction bounds what is shown of a certificate, in characters.
const maxIntroduction = 2000

// introduce asks a person about a gateway that was never seen before, as SSH does,
// and remembers the answer yes.
func (s *session) introduce(ctx context.Context, t *trust, c *x509.Certificate) error {
	pin, gateway := pki.KeyFingerprint(c), s.target.name.String()
	answers, err := s.client.ask(ctx, prompt.Prompt{
		Title: s.profile.Name + ": is this your gateway?",
		Message: prompt.CleanText(fmt.Sprintf("%s shows a certificate, and nothing in the profile says whether to trust it.\n"+
			"subject      %s\nissuer       %s\nvalid        %s to %s\ncertificate  %v\nkey          %v\n"+
			"Compare a fingerprint with your administrator's before you say yes.",
			gateway, pki.Subject(c), pki.Issuer(c), c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly), pki.Fingerprint(c), pin), maxIntroduction),
		Fields: []prompt.Field{{Name: "trust", Label: "Trust it from now on", Kind: prompt.YesNo}},
	})
	if errors.Is(err, prompt.ErrNotInteractive) {
		return &Reason{
			Code: "gateway_unknown", Exit: ExitInput,
			Message: fmt.Sprintf("Nothing in the profile says whether to trust the gateway's certificate (%s), and nobody may be asked.", pki.Owner(c)),
			Try:     fmt.Sprintf("Set ca, or, if your administrator knows this fingerprint: gateway_pin = \"%v\".", pin),
		}
	}
	if err != nil {
		return err
	}
	defer answers.Clear()
	if string(answers["trust"]) != "yes" {
		return &Reason{Code: "gateway_declined", Exit: ExitIdentity, Message: "The gateway's certificate isn't trusted.", Try: "Ask your administrator for its fingerprint, or for the authority's certificate."}
	}
	t.verifier.Pin = &pin
	if err := s.client.known.add(gateway, pin); err != nil {
		s.client.warn(fmt.Sprintf("The gateway's fingerprint can't be kept (%v). To be asked no more, set gateway_pin = \"%v\".", err, pin))
	}
	return nil
}
