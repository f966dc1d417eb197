package ike

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"slices"

	"postern/ike/isakmp"
)

// Vendor IDs, which say what a peer is and what it can do (RFC 2408, section
// 3.16). Most are the MD5 of a text.
var (
	vidXAuth = fromHex("09002689dfd6b712") // draft-ietf-ipsra-isakmp-xauth-06
	vidDPD   = fromHex("afcad71368a1f1c96b8696fc77570100")
	vidUnity = append(md5Sum("CISCO-UNITY")[:14], 1, 0) // the last two are the version
	// The tail of this one says in which exchanges: Main and Aggressive Mode.
	vidFragmentation = append(md5Sum("FRAGMENTATION"), 0x80, 0, 0, 0)
	vidNATT          = md5Sum("RFC 3947")
	vidNATT03        = md5Sum("draft-ietf-ipsec-nat-t-ike-03")
	// The text of draft 02 was hashed with a newline behind it by most.
	vidNATT02n = md5Sum("draft-ietf-ipsec-nat-t-ike-02\n")
	vidNATT02  = md5Sum("draft-ietf-ipsec-nat-t-ike-02")
	vidNATT01  = md5Sum("draft-ietf-ipsec-nat-t-ike-01")
	vidNATT00  = md5Sum("draft-ietf-ipsec-nat-t-ike-00")
)

// knownVendors names what a peer may be, by the beginning of its vendor ID.
var knownVendors = []struct {
	prefix []byte
	name   string
}{
	{fromHex("12f5f28c457168a9702d9fe274cc"), "Cisco Unity"},
	{fromHex("1f07f70eaa6514d3b0fa96542a50"), "Cisco VPN 3000"},
	{fromHex("3e984048"), "Cisco IOS"},
	{fromHex("f4ed19e0c114eb516faaac0ee37daf28"), "Check Point"},
	{fromHex("699369228741c6d4ca094c93e242c9de19e7b7c6"), "NetScreen"},
	{fromHex("166f932d55eb64d8e4df4fd37e2313f0d0fd8451"), "NetScreen"},
	{fromHex("1d6e178f6c2c0be284985465450fe9d4"), "FortiGate"},
	{fromHex("8299031757a36082c6a621de"), "FortiGate"},
	{fromHex("404bf439522ca3f6"), "SonicWall"},
	{fromHex("5b362bc820f6"), "SonicWall"},
	{fromHex("da8e9378"), "SonicWall"},
	{fromHex("424e4553"), "Nortel Contivity"},
	{fromHex("882fe56d6fd20dbc2251613b2ebe5beb"), "strongSwan"},
}

// features is what the peer's vendor IDs say of it.
type features struct {
	xauth, dpd, unity bool
	fragments         bool
	natt              natVersion // the newest of those it knows and we do
	vendors           []string   // products, by name
	ids               [][]byte   // all of them
}

// note adds what one vendor ID says, NAT traversal excepted. Unknown ones say
// nothing.
func (f *features) note(vid []byte) {
	if len(f.ids) < maxVendorIDs && !slices.ContainsFunc(f.ids, func(id []byte) bool { return bytes.Equal(id, vid) }) {
		f.ids = append(f.ids, vid)
	}
	switch {
	case bytes.HasPrefix(vid, vidXAuth):
		f.xauth = true
	case bytes.Equal(vid, vidDPD):
		f.dpd = true
	case bytes.HasPrefix(vid, vidFragmentation[:16]):
		f.fragments = true
	case bytes.HasPrefix(vid, vidUnity[:14]):
		f.unity = true
	}
	for _, k := range knownVendors {
		if bytes.HasPrefix(vid, k.prefix) && !slices.Contains(f.vendors, k.name) {
			f.vendors = append(f.vendors, k.name)
		}
	}
}

// maxVendorIDs is how many of a peer's are kept.
const maxVendorIDs = 64

// noteFirst adds what the vendor IDs of a peer's first message say. Only there is
// NAT traversal agreed on.
func (f *features) noteFirst(m *isakmp.Message) {
	for _, vid := range m.All(isakmp.PayloadVendorID) {
		f.note(vid)
		f.natt = max(f.natt, natVersionOf(vid))
	}
}

// natVersionOf is the text of NAT traversal that a vendor ID announces.
func natVersionOf(vid []byte) natVersion {
	for v, ids := range natVersions {
		for _, id := range ids {
			if bytes.Equal(vid, id) {
				return v
			}
		}
	}
	return natNone
}

func md5Sum(s string) []byte {
	h := md5.Sum([]byte(s))
	return h[:]
}

func fromHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}
