package diagnosis

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/client/localapi"
	"postern/ike"
	"postern/stamp"
)

// tell writes what was found into the report.
func (p *prober) tell() {
	r := p.report
	r.Sent, r.Received, r.Ignored, r.HalfOpen, r.Took = p.sent, p.received, p.ignored, p.open, time.Since(p.began)
	if len(r.Addresses) < 2 {
		r.Addresses = nil
	}
	r.MainMode = p.main.report()
	if len(p.identities) > 0 {
		m := p.aggressive.report()
		r.AggressiveMode = &m
	}
	f := ike.FeaturesOf(p.vendorIDs)
	r.XAuth, r.DPD, r.Unity, r.Fragmentation, r.NATTraversal = f.XAuth, f.DPD, f.Unity, f.Fragmentation, f.NATTraversal
	for _, id := range p.vendorIDs[:min(len(p.vendorIDs), maxShownVendors)] {
		r.Vendors = append(r.Vendors, localapi.ProbeVendor{ID: hex.EncodeToString(id[:min(len(id), 64)]), Name: vendorName(id)})
	}
	r.Profile = p.profileLines(f)
	p.explain()
}

// vendorName is what a vendor ID stands for.
func vendorName(id []byte) string {
	if bytes.Equal(id, stamp.VendorID()) {
		return "Compatible Systems VPN 5000 (STAMP)"
	}
	return ike.VendorIDName(id)
}

// maxShownVendors bounds a gateway's vendor IDs in a report.
const maxShownVendors = 32

// Answers of a mode.
const (
	accepts  = "accepts"
	refuses  = "refuses"
	silent   = "silent"
	notAsked = "not asked"
)

// report is the mode for a person, proposals strongest first.
func (m *mode) report() localapi.ProbeMode {
	out := localapi.ProbeMode{Answer: notAsked, Complete: m.complete}
	switch {
	case len(m.accepted) > 0:
		out.Answer = accepts
	case len(m.refusals) > 0:
		out.Answer = refuses
	case m.asked:
		out.Answer = silent
	}
	ps := m.proposals()
	strongestFirst(ps)
	for _, proposal := range ps {
		i := slices.IndexFunc(m.accepted, func(c ike.Choice) bool { return c.Proposal == proposal })
		out.Accepted = append(out.Accepted, localapi.ProbeProposal{
			Proposal: proposal.String(), Lifetime: m.accepted[i].Life, Weak: weaknesses(proposal),
		})
	}
	for _, known := range methods {
		if slices.Contains(m.methods, known.number) {
			out.Methods = append(out.Methods, known.name)
		}
	}
	for _, n := range m.refusals {
		out.Refusals = append(out.Refusals, n.String())
	}
	return out
}

func (p *prober) note(format string, args ...any) {
	p.report.Notes = append(p.report.Notes, fmt.Sprintf(format, args...))
}

// explain adds what a person should know about the answers, and about silence.
func (p *prober) explain() {
	p.explainSilence()
	if p.report.OfflineGuessing {
		p.note("The gateway answers Aggressive Mode with a hash of the group's key before it knows who asks: anybody who knows the group's name can fetch it and guess keys offline for as long as they like. Only a long random key stands up to that. (The hash wasn't kept.)")
	}
	if len(p.identities) > 0 && len(p.aggressive.accepted) == 0 && p.alive {
		p.note("Aggressive Mode wasn't accepted with this identity: the gateway doesn't know it, wants it in another form (--identity-type), wants a certificate, or doesn't do Aggressive Mode.")
	}
	p.explainVersion2()
	if len(p.main.methods) > 3 {
		p.note("In Main Mode the gateway took every authentication method that was asked for: it judges them later. Which one it wants, its administrator knows.")
	}
	if p.more {
		p.note("The gateway accepts more proposals than were asked for: a probe leaves %d exchanges open at most.", p.halfOpen)
	}
	if p.open > 0 {
		p.note("%d exchanges were begun and left; the gateway was told so, or forgets them by itself within a minute or so.", p.open)
	}
}

// explainSilence says what silence may mean.
func (p *prober) explainSilence() {
	closed := slices.ContainsFunc(p.report.Ports, func(port localapi.ProbePort) bool { return port.Answer == "closed" })
	quiet := !slices.ContainsFunc(p.report.Ports, func(port localapi.ProbePort) bool { return port.Answer == "answers" })
	switch {
	case !p.alive && closed:
		p.note("A message came back that nothing listens there: the name or address is another machine's, or IKE isn't running on it.")
	case !p.alive:
		text := "Nothing was answered. UDP 500 and 4500 may be blocked, by the network you are in or before the gateway (try from another network, such as a telephone's); the address may be wrong; some gateways answer only to addresses, proposals or a source port (500) that they know."
		if len(p.identities) == 0 {
			text += " Some answer only to a group they know, in Aggressive Mode: ask with --identity GROUP."
		}
		p.note("%s", text)
	case quiet && len(p.report.Ports) > 0 && len(p.main.accepted)+len(p.main.refusals) == 0:
		text := "Main Mode isn't answered."
		if len(p.identities) == 0 {
			text += " Many gateways for groups answer only in Aggressive Mode, and only to a group they know: ask with --identity GROUP."
		}
		p.note("%s", text)
	case len(p.main.accepted) == 0 && len(p.main.refusals) > 0:
		text := fmt.Sprintf("Main Mode is refused (%s) whatever is proposed.", strings.Join(p.main.report().Refusals, ", "))
		if len(p.identities) == 0 {
			text += " Gateways do so for addresses they don't know; for groups they may want Aggressive Mode: ask with --identity GROUP."
		}
		p.note("%s", text)
	}
}

func (p *prober) explainVersion2() {
	switch p.report.IKEv2 {
	case v2Yes:
		p.note("This gateway speaks IKEv2: if its administrator gives you a login for that, use it, with the client of your system.")
	case v2Refused:
		p.note("This gateway's software knows IKEv2, but refuses it to us: worth asking its administrator for.")
	}
}
