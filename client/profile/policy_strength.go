package profile

import "fmt"

// Strength is what algorithms have to have at least.
type Strength string

const (
	StrengthAny      Strength = "any"
	StrengthLegacy   Strength = "legacy"   // not broken: no DES, no null, no MODP768
	StrengthStandard Strength = "standard" // nor outdated: no 3DES, MD5, MODP1024; no certificates signed with SHA-1
	StrengthStrong   Strength = "strong"   // what new gateways have: SHA-2, groups from MODP2048; no key that can be searched for
)

// levels are the strengths in order.
var levels = map[Strength]int{StrengthAny: 0, StrengthLegacy: 1, StrengthStandard: 2, StrengthStrong: 3}

// wordLevels are the levels that algorithms reach; what isn't listed is strong.
var wordLevels = map[string]int{
	"des": 0, "null": 0, "modp768": 0,
	"3des": 1, "md5": 1, "modp1024": 1,
	"sha1": 2, "sha256_96": 2, "modp1536": 2,
}

// weaker returns the word among some that doesn't reach a level, or "".
func weaker(level int, words ...string) string {
	for _, w := range words {
		if reached, listed := wordLevels[w]; listed && reached < level {
			return w
		}
	}
	return ""
}

// tooWeak says which key of p doesn't reach a strength, or nil.
func (p *Profile) tooWeak(least Strength) *Error {
	level := levels[least]
	fault := func(key, what string) *Error {
		return &Error{Key: key, Problem: fmt.Sprintf("%s is weaker than your administrator allows (minimum_strength %q)", what, least)}
	}
	for _, o := range p.IKE {
		if w := weaker(level, o.Cipher, o.Hash, o.Group); w != "" {
			return fault("ike", w)
		}
	}
	for _, o := range p.ESP {
		if w := weaker(level, o.Cipher, o.Integrity, o.Group); w != "" {
			return fault("esp", w)
		}
	}
	switch w := weaker(level, p.PFS); {
	case w != "":
		return fault("pfs", w)
	case level >= levels[StrengthStandard] && p.Certificates.AllowSHA1 && p.Auth != AuthPSK:
		return fault("certificates.allow_sha1", "SHA-1")
	case level >= levels[StrengthStandard] && p.Certificates.MinRSABits < defaultRSABits && p.Auth != AuthPSK:
		return fault("certificates.min_rsa_bits", fmt.Sprintf("RSA of %d bits", p.Certificates.MinRSABits))
	case level >= levels[StrengthStrong] && p.Mode == AggressiveMode && p.Auth == AuthPSK:
		return fault("mode", "Aggressive Mode with a pre-shared key")
	}
	return nil
}

// Strengthen leaves out the proposals of p that its Policies don't allow, as far as
// others remain, and returns them.
func (p *Profile) Strengthen() (dropped []string) {
	level := 0
	for _, q := range p.Policies {
		level = max(level, levels[q.MinimumStrength])
	}
	var ike []IKEProposal
	for _, o := range p.IKE {
		if weaker(level, o.Cipher, o.Hash, o.Group) == "" {
			ike = append(ike, o)
		} else {
			dropped = append(dropped, o.String())
		}
	}
	var esp []ESPProposal
	for _, o := range p.ESP {
		if weaker(level, o.Cipher, o.Integrity, o.Group) == "" {
			esp = append(esp, o)
		} else {
			dropped = append(dropped, o.String())
		}
	}
	if len(ike) == 0 || len(esp) == 0 {
		return nil
	}
	p.IKE, p.ESP = ike, esp
	return dropped
}
