package diagnosis

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"postern/client"
	"postern/client/localapi"
	"postern/client/profile"
	"postern/ike"
	"postern/ike/isakmp"
)

// The topics of a profile.
var (
	topicWeak         = topic{"weak", "Strength"}
	topicSecrets      = topic{"secrets", "Secrets"}
	topicCertificates = topic{"certificates", "Certificates"}
	topicName         = topic{"gateway_name", "Gateway's name"}
	topicAnswers      = topic{"gateway_answers", "Gateway answers"}
	topicMTU          = topic{"path_mtu", "Packet size on the way"}
	topicOverlap      = topic{"networks", "Networks"}
	topicIPv6         = topic{"ipv6", "IPv6"}
)

// profile checks what a connection of this profile needs.
func (f *facts) profile(ctx context.Context, s Subject, p *profile.Profile) []localapi.Check {
	checks := []localapi.Check{checkWeak(p), checkSecrets(p)}
	if p.Auth != profile.AuthPSK {
		checks = append(checks, checkCertificates(p, f.now))
	}
	connected := s.connected(p)
	addresses, named := checkName(ctx, s, p)
	checks = append(checks, named, checkAnswers(ctx, s, p, addresses, connected))
	if len(addresses) > 0 {
		checks = append(checks, f.checkMTU(reachable(addresses), connected))
	}
	return append(checks, f.checkOverlap(p, connected), f.checkIPv6(p, connected))
}

func checkWeak(p *profile.Profile) localapi.Check {
	weak := p.Weak()
	if len(weak) == 0 {
		return topicWeak.ok("Nothing weak is in the profile.")
	}
	return topicWeak.warn("Ask the gateway's administrator for something stronger. What the gateway takes: "+probeCommand(p)+".", "%s", sentences(weak))
}

// checkSecrets tells which secrets are stored, never what they are.
func checkSecrets(p *profile.Profile) localapi.Check {
	var have, missing []string
	add := func(name string, there, wanted bool) {
		switch {
		case there:
			have = append(have, name)
		case wanted:
			missing = append(missing, name)
		}
	}
	add("the pre-shared key", p.Secret != nil, p.Auth == profile.AuthPSK)
	add("the password", p.Password != nil, p.XAuth == profile.XAuthRequired || p.RADIUS != "")
	add("the secret of the one-time codes", p.OTPSecret != nil, p.OTP != "")
	add("the private key's passphrase", p.KeyPassphrase != nil, false)
	add("pap_auth_secret", p.PAPAuthSecret != nil, p.RADIUS != "" && p.RADIUS != profile.RADIUSCHAP)
	if p.User == "" && p.XAuth == profile.XAuthRequired {
		missing = append(missing, "the user's name")
	}
	found := "Nothing is stored."
	if len(have) > 0 {
		found = "Stored: " + strings.Join(have, ", ") + "."
	}
	if len(missing) > 0 {
		return topicSecrets.check(localapi.VerdictOK, "To connect unattended, store them: postern secret set "+localapi.Word(p.Name)+".", "%s", found+" Asked for at each connection: "+strings.Join(missing, ", ")+".")
	}
	return topicSecrets.ok("%s", found)
}

// soon is how long before its end a certificate is spoken of.
const soon = 30 * 24 * time.Hour

func checkCertificates(p *profile.Profile, now time.Time) localapi.Check {
	all, warnings, err := client.Certificates(p)
	if err != nil {
		return topicCertificates.fail("Correct the profile, or the file that it names.", "%s.", strings.TrimSuffix(err.Error(), "."))
	}
	for _, c := range all {
		switch {
		case now.Before(c.NotBefore):
			return topicCertificates.fail("Check the clock first; else wait, or ask for another certificate.", "%s isn't valid before %s.", c.Subject, c.NotBefore.Format(time.DateOnly))
		case now.After(c.NotAfter):
			return topicCertificates.fail("Ask for a new certificate.", "%s ended on %s.", c.Subject, c.NotAfter.Format(time.DateOnly))
		case c.NotAfter.Sub(now) < soon:
			return topicCertificates.warn("Ask for a new certificate in time.", "%s ends on %s.", c.Subject, c.NotAfter.Format(time.DateOnly))
		}
	}
	if len(warnings) > 0 {
		return topicCertificates.warn("", "%s", sentences(warnings))
	}
	if len(all) == 0 {
		return topicCertificates.ok("None is in a file of the profile's.")
	}
	return topicCertificates.ok("%d, all valid for 30 days at least.", len(all))
}

// checkName looks the gateway's name up.
func checkName(ctx context.Context, s Subject, p *profile.Profile) ([]netip.Addr, localapi.Check) {
	if a, err := netip.ParseAddr(p.Gateway.Host); err == nil {
		return []netip.Addr{a}, topicName.ok("%s is an address.", a)
	}
	if s.Quiet {
		return nil, topicName.skip("Not looked up: name one profile to have its gateway asked.")
	}
	ctx, cancel := within(ctx, 10*time.Second)
	defer cancel()
	addresses, err := resolve(ctx, p.Gateway.Host)
	if err != nil {
		return nil, topicName.fail("Check the name and the network that you are in. If the name exists only inside the VPN, write the gateway's address in the profile.", "%s has no address: %v.", p.Gateway.Host, err)
	}
	return addresses, topicName.ok("%s is %s.", p.Gateway.Host, list(addresses))
}

// checkAnswers asks the gateway the first question of this profile.
func checkAnswers(ctx context.Context, s Subject, p *profile.Profile, addresses []netip.Addr, connected *localapi.Tunnel) localapi.Check {
	switch {
	case connected != nil:
		return topicAnswers.ok("It does: the connection is up.")
	case s.Quiet:
		return topicAnswers.skip("Not asked: name one profile to have its gateway asked.")
	case len(addresses) == 0:
		return topicAnswers.skip("Not asked, for want of an address.")
	}
	to := netip.AddrPortFrom(reachable(addresses), p.Gateway.Port)
	w, err := openWire(to.Addr())
	if err != nil {
		return topicAnswers.fail("Check your network.", "Nothing can be sent: %v.", err)
	}
	defer w.close()
	a := &asker{limits: politely, send: w.send, inbox: w.inbox, refusals: w.refusals}
	return askProfile(ctx, a, to, p)
}

// askProfile asks on each port until one answers.
func askProfile(ctx context.Context, a *asker, gateway netip.AddrPort, p *profile.Profile) localapi.Check {
	m, proposals, asked := openingOf(p)
	q := newProber(a, gateway, nil)
	closed := false
	for _, path := range q.paths {
		q.to = path
		got, err := q.once(ctx, &m, proposals, asked, 2)
		port := path.Remote.Port()
		switch {
		case errors.Is(err, errClosed):
			closed = true
		case err != nil:
			return topicAnswers.fail("Check your network: is there a way to the Internet?", "Nothing can be sent to %v: %v.", path.Remote, err)
		case got == nil:
		case got.accepts:
			return topicAnswers.ok("It does, on UDP %d, and takes %v.", port, got.choice.Proposal)
		default:
			return topicAnswers.warn("See what it takes: "+probeCommand(p)+".", "It does, on UDP %d, but refuses the profile's proposals, method or identity: %v.", port, got.notify)
		}
	}
	ports := "UDP 500 and 4500"
	if gateway.Port() != ikePort {
		ports = fmt.Sprintf("UDP %d", gateway.Port())
	}
	if closed {
		return topicAnswers.fail("Check the address: IKE doesn't run there.", "A message came back that nothing listens on %s.", ports)
	}
	return topicAnswers.fail("Try from another network, such as a telephone's: some block "+ports+". Check the gateway's address. Some gateways are silent when proposals, mode or identity don't fit: "+probeCommand(p)+".", "Silence on %s.", ports)
}

// probeCommand asks the profile's gateway, in Aggressive Mode where the profile does.
func probeCommand(p *profile.Profile) string {
	command := "postern probe " + localapi.Word(p.Gateway.String())
	if p.Mode == profile.AggressiveMode && p.Identity != "" {
		command += " --identity " + localapi.Word(p.Identity)
	}
	return command
}

// openingOf is a first message as the profile has it. Without an identity that can be
// named here it is Main Mode's.
func openingOf(p *profile.Profile) (mode, []ike.Proposal, []isakmp.AuthMethod) {
	m := mode{exchange: isakmp.ExchangeMain}
	if t, ok := identityTypes[p.IdentityType]; ok && p.Mode == profile.AggressiveMode && p.Identity != "" {
		m = mode{exchange: isakmp.ExchangeAggressive, id: isakmp.ID{Type: t, Data: []byte(p.Identity)}}
	}
	var proposals []ike.Proposal
	for _, o := range p.IKE {
		if named, ok := proposalNamed(o.String()); ok {
			proposals = append(proposals, named)
		}
	}
	if len(proposals) == 0 {
		proposals = likely()[:1]
	}
	var asked []isakmp.AuthMethod
	for _, known := range methods {
		if known.auth == p.Auth && (known.xauth == (p.XAuth != profile.XAuthOff) || p.XAuth == profile.XAuthOptional) {
			asked = append(asked, known.number)
		}
	}
	if len(asked) == 0 {
		asked = withKey
	}
	return m, proposals[:min(len(proposals), maxTransforms/len(asked))], asked
}

// proposalNamed is the proposal that a profile calls so.
func proposalNamed(name string) (ike.Proposal, bool) {
	for _, cipher := range []ike.Proposal{aes256, aes192, aes128, tripleDES, des} {
		for _, h := range []isakmp.Hash{md5, sha1, sha256, sha384, sha512} {
			for g := range groupStrength {
				p := cipher
				p.Hash, p.Group = h, g
				if p.String() == name {
					return p, true
				}
			}
		}
	}
	return ike.Proposal{}, false
}

// checkMTU looks at the largest packet on the way. The tunnel's packets are larger by
// what ESP, UDP and IP add: 80 octets are enough for all.
func (f *facts) checkMTU(gateway netip.Addr, connected *localapi.Tunnel) localapi.Check {
	const added, least = 80, 1280
	if !f.linux {
		return topicMTU.skip(elsewhere)
	}
	var ours []string
	if connected != nil && connected.Tunnel.Interface != "" {
		ours = append(ours, connected.Tunnel.Interface)
	}
	mtu, err := pathMTU(gateway, ours...)
	switch {
	case err != nil:
		return topicMTU.fail("Check your network: is there a way to the Internet?", "There is no way to %v: %v.", gateway, err)
	case connected != nil && connected.Tunnel.MTU+added > mtu+40:
		return topicMTU.warn(fmt.Sprintf("Set mtu = %d in the profile if large pages or files hang.", mtu-added), "The way takes packets of %d octets, and the tunnel's are up to %d before they are wrapped.", mtu, connected.Tunnel.MTU)
	case mtu < least+added:
		return topicMTU.warn(fmt.Sprintf("Set mtu = %d in the profile if large pages or files hang.", mtu-added), "The way takes packets of %d octets only.", mtu)
	}
	return topicMTU.ok("The way to %v takes packets of %d octets, as far as is known here.", gateway, mtu)
}

// checkOverlap looks for networks that are both in the tunnel and here.
func (f *facts) checkOverlap(p *profile.Profile, connected *localapi.Tunnel) localapi.Check {
	networks, ours := p.Networks, ""
	if connected != nil {
		networks, ours = connected.Tunnel.Networks, connected.Tunnel.Interface
	}
	networks = slices.DeleteFunc(slices.Clone(networks), func(n netip.Prefix) bool { return n.Bits() <= 1 })
	if len(networks) == 0 {
		return topicOverlap.ok("The profile names none; the gateway may.")
	}
	if !f.linux {
		return topicOverlap.skip(elsewhere)
	}
	var both []string
	for _, r := range f.routes {
		if r.dev == ours || r.dev == "lo" || r.to.Bits() <= 1 || r.to.Addr().IsMulticast() || r.to.Addr().IsLinkLocalUnicast() {
			continue
		}
		for _, n := range networks {
			if n.Overlaps(r.to) && n.Bits() < n.Addr().BitLen() && r.to.Bits() < r.to.Addr().BitLen() {
				both = append(both, fmt.Sprintf("%v (%s)", n, r.text))
			}
		}
	}
	if len(both) > 0 {
		return topicOverlap.warn("Hosts of the smaller network win. If hosts behind the gateway can't be reached, use another network here, or name single hosts in networks.", "Both behind the gateway and here: %s.", strings.Join(both, "; "))
	}
	return topicOverlap.ok("%s: nothing of them is here too.", list(networks))
}

// checkIPv6 warns of what goes around a tunnel for everything.
func (f *facts) checkIPv6(p *profile.Profile, connected *localapi.Tunnel) localapi.Check {
	all, six := p.DefaultRoute && len(p.Networks) == 0, false
	if connected != nil {
		all = false
		for _, n := range connected.Tunnel.Networks {
			all = all || n.Bits() <= 1 && n.Addr().Is4()
			six = six || n.Addr().Is6()
		}
	}
	switch {
	case !f.linux:
		return topicIPv6.skip(elsewhere)
	case len(f.defaults(128)) == 0:
		return topicIPv6.ok("There is no way to the Internet by IPv6, so nothing can go around the tunnel.")
	case !all:
		return topicIPv6.ok("The tunnel is for some networks; IPv6 goes as always.")
	case six || p.BlockIPv6:
		return topicIPv6.ok("It doesn't go around the tunnel.")
	case connected == nil:
		return topicIPv6.ok("There is a way to the Internet by IPv6. Should the gateway name no networks, everything by IPv4 goes into the tunnel, and IPv6 around it unless block_ipv6 = true.")
	}
	return topicIPv6.warn("To keep it inside or nowhere: block_ipv6 = true in the profile.", "Everything by IPv4 goes into the tunnel; IPv6 goes around it.")
}
