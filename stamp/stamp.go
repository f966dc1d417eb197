package stamp

import (
	"crypto/sha1"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
)

// Policy is what a concentrator tells its client. Documented: whether secrets may
// be saved, which networks to tunnel, whether to tunnel IPX; the other settings
// are those that Cisco lists for a VPN group. Text in it is clean, names are
// names of the DNS, networks are masked.
type Policy struct {
	SaveSecrets  bool
	Networks     []netip.Prefix // to tunnel, IPv4; see Routes
	IPX          bool
	Address      netip.Prefix // assigned, with the netmask's length
	ExcludeLAN   bool         // the networks of the client's own interfaces stay outside
	Keepalive    time.Duration
	Inactivity   time.Duration
	DNS          []netip.Addr
	SplitDNS     []string
	WINS         []netip.Addr
	Domain       string
	Backup       []string
	Banner       string
	LeastVersion string

	digest []byte // of the client's first message, as the concentrator received it
}

// Routes are what goes into the tunnel: the networks named, and where none is the
// assigned address's own subnet.
func (p *Policy) Routes() []netip.Prefix {
	if len(p.Networks) > 0 {
		return p.Networks
	}
	return []netip.Prefix{p.Address.Masked()}
}

// marshal is the payload's body.
func (p *Policy) marshal() []byte {
	as := []isakmp.Attribute{
		isakmp.TV(policySaveSecrets, flagValue(p.SaveSecrets)),
		isakmp.TV(policyIPX, flagValue(p.IPX)),
		isakmp.TLV(policyAddress, p.Address.Addr().AsSlice()),
		isakmp.TLV(policyMask, maskOf(p.Address.Bits())),
		isakmp.TV(policyExcludeLAN, flagValue(p.ExcludeLAN)),
		isakmp.TV(policyKeepalive, seconds(p.Keepalive)),
		isakmp.TV(policyInactivity, seconds(p.Inactivity)),
	}
	for _, n := range p.Networks {
		as = append(as, isakmp.TLV(policyNetwork, append(n.Masked().Addr().AsSlice(), maskOf(n.Bits())...)))
	}
	for _, a := range p.DNS {
		as = append(as, isakmp.TLV(policyDNS, a.AsSlice()))
	}
	for _, a := range p.WINS {
		as = append(as, isakmp.TLV(policyWINS, a.AsSlice()))
	}
	str := func(t uint16, values ...string) {
		for _, v := range values {
			if v != "" {
				as = append(as, isakmp.TLV(t, []byte(v)))
			}
		}
	}
	str(policySplitDNS, p.SplitDNS...)
	str(policyDomain, p.Domain)
	str(policyBackup, p.Backup...)
	str(policyBanner, p.Banner)
	str(policyLeastVersion, p.LeastVersion)
	as = append(as, isakmp.TLV(policyDigest, p.digest))
	return isakmp.AppendAttributes(appendHeader(kindPolicy), as)
}

// seconds is a time in 16 bits.
func seconds(d time.Duration) uint16 { return uint16(min(max(d/time.Second, 0), 0xffff)) }

// check says what can't be written as a policy.
func (p *Policy) check() error {
	switch {
	case !p.Address.Addr().Is4():
		return errors.New("policy: no IPv4 address to assign")
	case len(p.Networks) > maxNetworks, len(p.DNS) > maxServers, len(p.WINS) > maxServers,
		len(p.SplitDNS) > maxDomains, len(p.Backup) > maxBackups:
		return errors.New("policy: a list is too long")
	}
	for _, n := range p.Networks {
		if !n.Addr().Is4() {
			return fmt.Errorf("policy: %v isn't IPv4", n)
		}
	}
	return checkText(p.Banner, maxBanner)
}

// parsePolicy reads a payload's body.
func parsePolicy(b []byte) (*Policy, error) {
	p, r := new(Policy), new(reader)
	kind, rest, err := kindOf(b)
	if err == nil && kind != kindPolicy {
		err = fmt.Errorf("kind %d where a policy is wanted", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("STAMP payload: %w", err)
	}
	var address netip.Addr
	bits := 32
	var keepalive, inactivity uint16
	_, err = r.read(rest, map[uint16]field{
		policySaveSecrets:  flag(&p.SaveSecrets),
		policyNetwork:      list(&p.Networks, maxNetworks, network),
		policyIPX:          flag(&p.IPX),
		policyAddress:      host(&address),
		policyMask:         mask(&bits),
		policyExcludeLAN:   flag(&p.ExcludeLAN),
		policyKeepalive:    number(&keepalive, 0, 0xffff),
		policyInactivity:   number(&inactivity, 0, 0xffff),
		policyDNS:          list(&p.DNS, maxServers, host),
		policySplitDNS:     list(&p.SplitDNS, maxDomains, domain),
		policyWINS:         list(&p.WINS, maxServers, host),
		policyDomain:       domain(&p.Domain),
		policyBackup:       list(&p.Backup, maxBackups, domain),
		policyBanner:       text(&p.Banner, maxBanner),
		policyLeastVersion: text(&p.LeastVersion, maxText),
		policyDigest:       octets(&p.digest, digestLen, digestLen),
	})
	if err == nil {
		err = r.need(policySaveSecrets, policyAddress, policyDigest)
	}
	switch {
	case err != nil:
	case !address.Is4():
		err = errors.New("the assigned address isn't IPv4")
	case bits == 0:
		err = errors.New("the assigned mask is 0.0.0.0")
	}
	if err != nil {
		return nil, fmt.Errorf("STAMP payload: policy: %w", err)
	}
	p.Address = netip.PrefixFrom(address, bits)
	p.Keepalive, p.Inactivity = time.Duration(keepalive)*time.Second, time.Duration(inactivity)*time.Second
	return p, nil
}

// Receipt is what the client says to a Policy.
type Receipt struct {
	Version  string
	Platform string
	Networks uint16 // applied
	NoIPX    bool   // IPX is refused

	digest []byte // of the concentrator's first phase 1 message, as the client received it
}

// marshal is the payload's body. RFC 2409's HASH(3) doesn't cover payloads, so the
// body ends with a proof of its own:
//
//	prf(SKEYID_a, "STAMP receipt" | M-ID | Ni_b | Nr_b | body up to here)
//
// Chosen here.
func (r *Receipt) marshal(b *ike.QuickBinding) []byte {
	as := []isakmp.Attribute{
		isakmp.TV(receiptNetworks, r.Networks),
		isakmp.TV(receiptNoIPX, flagValue(r.NoIPX)),
	}
	if r.Version != "" {
		as = append(as, isakmp.TLV(receiptVersion, []byte(r.Version)))
	}
	if r.Platform != "" {
		as = append(as, isakmp.TLV(receiptPlatform, []byte(r.Platform)))
	}
	as = append(as, isakmp.TLV(receiptDigest, r.digest))
	body := isakmp.AppendAttributes(appendHeader(kindReceipt), as)
	return isakmp.AppendAttributes(body, []isakmp.Attribute{isakmp.TLV(receiptProof, b.Prove(labelReceipt, body))})
}

// parseReceipt reads a payload's body. prove is what the proof must be.
func parseReceipt(b []byte, prove func(covered []byte) []byte) (*Receipt, error) {
	m, r := new(Receipt), new(reader)
	kind, rest, err := kindOf(b)
	if err == nil && kind != kindReceipt {
		err = fmt.Errorf("kind %d where a receipt is wanted", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("STAMP payload: %w", err)
	}
	var proof []byte
	as, err := r.read(rest, map[uint16]field{
		receiptVersion:  text(&m.Version, maxText),
		receiptPlatform: text(&m.Platform, maxText),
		receiptNetworks: number(&m.Networks, 0, 0xffff),
		receiptNoIPX:    flag(&m.NoIPX),
		receiptDigest:   octets(&m.digest, digestLen, digestLen),
		receiptProof:    octets(&proof, 16, 64),
	})
	if err == nil {
		err = r.need(receiptDigest, receiptProof)
	}
	switch {
	case err != nil:
	case !isLast(as, receiptProof, b):
		err = errors.New("something stands behind the proof")
	case subtle.ConstantTimeCompare(proof, prove(b[:len(b)-4-len(proof)])) != 1:
		err = errors.New("the proof doesn't verify")
	}
	if err != nil {
		return nil, fmt.Errorf("STAMP payload: receipt: %w", err)
	}
	return m, nil
}

// ErrStripped means that somebody on the way changed the first messages, which no
// HASH covers: the announcements in them, most likely.
var ErrStripped = errors.New("the first messages were changed on the way")

// digestOf is the SHA-1 of a first message. Chosen here.
func digestOf(message []byte) []byte {
	sum := sha1.Sum(message)
	return sum[:]
}

// checkDigest compares what the other end received with what was sent.
func checkDigest(received, sent []byte) error {
	if subtle.ConstantTimeCompare(received, digestOf(sent)) != 1 {
		return ErrStripped
	}
	return nil
}
