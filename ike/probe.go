package ike

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"postern/ike/isakmp"
)

// What it takes to ask a gateway what it answers to, without making an SA.

// Choice is what a responder chose of an offer.
type Choice struct {
	Proposal
	Method isakmp.AuthMethod
	Life   time.Duration // 0: none stated
}

// Offer is the body of an SA payload that offers every proposal with every method,
// in this order.
func Offer(proposals []Proposal, methods []isakmp.AuthMethod, life time.Duration) []byte {
	return offerPhase1(proposals, methods, life)
}

// ReadChoice reads the body of the SA payload that answers an offer. It is an
// error for it to choose what wasn't offered.
func ReadChoice(body []byte, proposals []Proposal, methods []isakmp.AuthMethod) (Choice, error) {
	r, err := chosenPhase1(body, proposals, methods)
	return Choice{r.Proposal, r.method, r.life}, err
}

// PublicValue is the body of a KE payload whose private half is forgotten: nothing
// can be agreed with it.
func PublicValue(g isakmp.Group) ([]byte, error) {
	group, err := findGroup(g)
	if err != nil {
		return nil, err
	}
	k, err := group.generate()
	if err != nil {
		return nil, err
	}
	defer k.clear()
	return bytes.Clone(k.public()), nil
}

// VendorIDs are those that an initiator announces by itself: XAuth, DPD, Unity,
// fragmentation, and NAT traversal of all texts.
func VendorIDs() [][]byte {
	ids := [][]byte{vidXAuth, vidDPD, vidUnity, vidFragmentation}
	for v := natRFC3947; v > natNone; v-- {
		ids = append(ids, natVersions[v]...)
	}
	return ids
}

// Features is what vendor IDs say of who sends them.
type Features struct {
	XAuth, DPD, Unity, Fragmentation bool
	NATTraversal                     []string // texts, newest first: "RFC 3947"
	Products                         []string
}

// FeaturesOf reads vendor IDs.
func FeaturesOf(ids [][]byte) Features {
	var f features
	var versions []natVersion
	for _, id := range ids {
		f.note(id)
		if v := natVersionOf(id); v != natNone && !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	slices.Sort(versions)
	out := Features{XAuth: f.xauth, DPD: f.dpd, Unity: f.unity, Fragmentation: f.fragments, Products: f.vendors}
	for _, v := range slices.Backward(versions) {
		out.NATTraversal = append(out.NATTraversal, v.String())
	}
	return out
}

// VendorIDName is what a vendor ID stands for, "" where that isn't known.
func VendorIDName(id []byte) string {
	one := FeaturesOf([][]byte{id})
	switch {
	case one.XAuth:
		return "XAuth"
	case one.DPD:
		return "DPD (RFC 3706)"
	case one.Fragmentation:
		return "IKE fragmentation"
	case one.Unity:
		return "Cisco Unity"
	case len(one.NATTraversal) > 0:
		return fmt.Sprintf("NAT traversal, %s", one.NATTraversal[0])
	case len(one.Products) > 0:
		return one.Products[0]
	}
	for _, k := range otherVendorIDs {
		if bytes.HasPrefix(id, k.prefix) {
			return k.name
		}
	}
	return ""
}

// otherVendorIDs are those that a person may see, and that change nothing here.
// Most are the MD5 of a text.
var otherVendorIDs = []struct {
	prefix []byte
	name   string
}{
	{md5Sum("MS NT5 ISAKMPOAKLEY"), "Microsoft Windows"},
	{md5Sum("KAME/racoon"), "racoon"},
	{md5Sum("ESPThruNAT"), "ESP through NAT"},
	{md5Sum("GSSAPI"), "GSSAPI"},
	{md5Sum("Vid-Initial-Contact"), "Vid-Initial-Contact (Microsoft)"},
	{md5Sum("MS-Negotiation Discovery Capable"), "negotiation discovery (Microsoft)"},
	{md5Sum("IKE CGA version 1"), "IKE CGA (Microsoft)"},
	{[]byte("HeartBeat_Notify"), "heartbeat notify (NetScreen)"},
	{[]byte("CISCO-DELETE-REASON"), "Cisco delete with reason"},
	{fromHex("2d7922c6b301d9b0e1342739e9cfbbd5"), "Cisco delete with reason"},
	{[]byte("TIMESTEP"), "TimeStep"},
	{[]byte("OEhyLdACecfa"), "Libreswan"},
}
