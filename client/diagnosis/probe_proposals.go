package diagnosis

import (
	"cmp"
	"slices"

	"postern/client/profile"
	"postern/ike"
	"postern/ike/isakmp"
)

// maxTransforms of one question: more would not fit into a packet of 1,400 octets,
// and many gateways stumble over long lists.
const maxTransforms = 24

// Ciphers in short.
var (
	aes256    = ike.Proposal{Cipher: isakmp.CipherAES, KeyBits: 256}
	aes192    = ike.Proposal{Cipher: isakmp.CipherAES, KeyBits: 192}
	aes128    = ike.Proposal{Cipher: isakmp.CipherAES, KeyBits: 128}
	tripleDES = ike.Proposal{Cipher: isakmp.Cipher3DES}
	des       = ike.Proposal{Cipher: isakmp.CipherDES}
)

// Hashes in short.
const (
	md5    = isakmp.HashMD5
	sha1   = isakmp.HashSHA1
	sha256 = isakmp.HashSHA256
	sha384 = isakmp.HashSHA384
	sha512 = isakmp.HashSHA512
)

// suites are ciphers with hashes, which a family of questions is made of.
type suites []struct {
	cipher ike.Proposal
	hashes []isakmp.Hash
}

func (s suites) in(groups ...isakmp.Group) (out []ike.Proposal) {
	for _, g := range groups {
		for _, row := range s {
			for _, h := range row.hashes {
				p := row.cipher
				p.Hash, p.Group = h, g
				out = append(out, p)
			}
		}
	}
	return out
}

var (
	modern = suites{{aes256, []isakmp.Hash{sha512, sha384, sha256, sha1}}, {aes128, []isakmp.Hash{sha256, sha1}}}
	large  = suites{{aes256, []isakmp.Hash{sha512, sha256, sha1}}}
	usual  = suites{
		{aes256, []isakmp.Hash{sha512, sha384, sha256, sha1, md5}},
		{aes192, []isakmp.Hash{sha256, sha1}},
		{aes128, []isakmp.Hash{sha512, sha384, sha256, sha1, md5}},
		{tripleDES, []isakmp.Hash{sha256, sha1, md5}},
	}
	old = suites{
		{aes256, []isakmp.Hash{sha512, sha256, sha1, md5}},
		{aes192, []isakmp.Hash{sha256, sha1}},
		{aes128, []isakmp.Hash{sha256, sha1, md5}},
		{tripleDES, []isakmp.Hash{sha256, sha1, md5}},
		{des, []isakmp.Hash{sha1, md5}},
	}
	ancient = suites{{aes256, []isakmp.Hash{sha1}}, {aes128, []isakmp.Hash{sha1, md5}}, {tripleDES, []isakmp.Hash{sha1, md5}}, {des, []isakmp.Hash{sha1, md5}}}
)

// families are all proposals that are asked for, each family in one question, the
// likeliest first. What isn't in them nobody is known to want.
func families() [][]ike.Proposal {
	return [][]ike.Proposal{
		usual.in(isakmp.GroupMODP2048),
		old.in(isakmp.GroupMODP1024),
		old.in(isakmp.GroupMODP1536),
		append(modern.in(isakmp.GroupMODP3072, isakmp.GroupMODP4096), large.in(isakmp.GroupMODP6144, isakmp.GroupMODP8192)...),
		modern.in(isakmp.GroupECP256, isakmp.GroupECP384, isakmp.GroupECP521, isakmp.GroupCurve25519),
		ancient.in(isakmp.GroupMODP768),
	}
}

// likely are the proposals of most gateways, to be asked first of all, with more
// than one method.
func likely() []ike.Proposal {
	strong := suites{{aes256, []isakmp.Hash{sha512, sha256, sha1}}, {aes128, []isakmp.Hash{sha256, sha1}}}
	weaker := suites{{aes256, []isakmp.Hash{sha256, sha1}}}
	weak := suites{{aes256, []isakmp.Hash{sha1}}, {aes128, []isakmp.Hash{sha1}}, {tripleDES, []isakmp.Hash{sha1, md5}}}
	return slices.Concat(strong.in(isakmp.GroupMODP2048), weaker.in(isakmp.GroupMODP1536), weak.in(isakmp.GroupMODP1024),
		suites{{aes256, []isakmp.Hash{sha256}}}.in(isakmp.GroupMODP4096))
}

// without is the proposals that aren't among those known.
func without(all, known []ike.Proposal) []ike.Proposal {
	return slices.DeleteFunc(slices.Clone(all), func(p ike.Proposal) bool { return slices.Contains(known, p) })
}

// groupsOf are the groups of the proposals, in their order.
func groupsOf(ps []ike.Proposal) (groups []isakmp.Group) {
	for _, p := range ps {
		if !slices.Contains(groups, p.Group) {
			groups = append(groups, p.Group)
		}
	}
	return groups
}

// inGroup are the proposals of one group.
func inGroup(ps []ike.Proposal, g isakmp.Group) []ike.Proposal {
	return slices.DeleteFunc(slices.Clone(ps), func(p ike.Proposal) bool { return p.Group != g })
}

// weaknesses are sentences on what is weak about a proposal.
func weaknesses(p ike.Proposal) []string {
	parsed, err := profile.ParseIKE(p.String())
	if err != nil {
		return nil
	}
	return parsed.Weak()
}

// groupStrength is about how many bits of a symmetric cipher a group is worth (RFC
// 3526, section 8; RFC 5903, section 1; RFC 8031, section 4).
var groupStrength = map[isakmp.Group]int{
	isakmp.GroupMODP768: 64, isakmp.GroupMODP1024: 80, isakmp.GroupMODP1536: 90, isakmp.GroupMODP2048: 110,
	isakmp.GroupMODP3072: 128, isakmp.GroupMODP4096: 150, isakmp.GroupMODP6144: 170, isakmp.GroupMODP8192: 190,
	isakmp.GroupECP256: 128, isakmp.GroupCurve25519: 128, isakmp.GroupECP384: 192, isakmp.GroupECP521: 256,
}

// strongestFirst orders proposals: those without a known weakness first, then by
// cipher, group and hash.
func strongestFirst(ps []ike.Proposal) {
	slices.SortStableFunc(ps, func(a, b ike.Proposal) int {
		return cmp.Or(
			cmp.Compare(len(weaknesses(a)), len(weaknesses(b))),
			cmp.Compare(cipherBits(b), cipherBits(a)),
			cmp.Compare(groupStrength[b.Group], groupStrength[a.Group]),
			cmp.Compare(b.Hash, a.Hash), // SHA-2 has the greater numbers
		)
	})
}

func cipherBits(p ike.Proposal) int {
	switch p.Cipher {
	case isakmp.CipherDES:
		return 56
	case isakmp.Cipher3DES:
		return 112
	}
	return p.KeyBits
}

// method is an authentication method, as a person and as a profile has it.
type method struct {
	number isakmp.AuthMethod
	name   string
	auth   profile.Auth
	xauth  bool
}

// methods are those asked for, those that postern prefers first: whoever knows only
// a group's key can't pretend to be a gateway that signs, but most that do want a
// login have a key.
var methods = []method{
	{isakmp.AuthXAuthInitPSK, "pre-shared key, then a login (XAuth)", profile.AuthPSK, true},
	{isakmp.AuthPSK, "pre-shared key", profile.AuthPSK, false},
	{isakmp.AuthHybridInitRSA, "hybrid: the gateway's certificate, then a login (XAuth)", profile.AuthHybrid, true},
	{isakmp.AuthXAuthInitRSA, "certificates (RSA), then a login (XAuth)", profile.AuthRSA, true},
	{isakmp.AuthRSA, "certificates (RSA)", profile.AuthRSA, false},
	{isakmp.AuthECDSA256, "certificates (ECDSA, P-256)", profile.AuthECDSA, false},
	{isakmp.AuthECDSA384, "certificates (ECDSA, P-384)", profile.AuthECDSA, false},
	{isakmp.AuthXAuthInitDSS, "certificates (DSS), then a login (XAuth)", profile.AuthDSS, true},
	{isakmp.AuthDSS, "certificates (DSS)", profile.AuthDSS, false},
	{isakmp.AuthRSAEncryption, "RSA encryption", profile.AuthRSAEncryption, false},
	{isakmp.AuthRSARevisedEncryption, "RSA encryption, revised", profile.AuthRSARevised, false},
}

var (
	withKey  = []isakmp.AuthMethod{isakmp.AuthXAuthInitPSK, isakmp.AuthPSK}
	withCert = []isakmp.AuthMethod{isakmp.AuthHybridInitRSA, isakmp.AuthXAuthInitRSA, isakmp.AuthRSA}
)
