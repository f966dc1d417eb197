package profile

import "slices"

// shortSecret is the length in octets under which a pre-shared key counts as
// short. Chosen here: 16 characters of a pass phrase are beyond a search.
const shortSecret = 16

// Weak says in short plain sentences what in p is weak, each sentence once. It
// is empty for the defaults. Call it after Sources.Resolve to have the
// pre-shared key judged too.
func (p *Profile) Weak() []string {
	var out []string
	for _, proposal := range p.IKE {
		out = append(out, proposal.Weak()...)
	}
	for _, proposal := range p.ESP {
		out = append(out, proposal.Weak()...)
	}
	out = append(out, weakWord(p.PFS)...)
	if p.Mode == AggressiveMode && p.Auth == AuthPSK {
		out = append(out, "Aggressive Mode with a pre-shared key lets whoever listens or asks search for the key at leisure.")
	}
	switch {
	case p.RADIUS != "" && p.PAPAuthSecret == nil:
		out = append(out, "Without pap_auth_secret, whoever answers in the gateway's place can search for the password at leisure.")
	case p.RADIUS != "":
		out = append(out, "Whoever listens to the RADIUS step can search for pap_auth_secret at leisure, and then for passwords.")
	}
	out = append(out, p.weakCertificates()...)
	if p.Auth == AuthPSK && p.Secret != nil && len(p.Secret) < shortSecret {
		out = append(out, "The pre-shared key is short enough to be guessed.")
	}
	return once(out)
}

// Weak says what is weak about one proposal.
func (p IKEProposal) Weak() []string {
	return once(slices.Concat(weakWord(p.Cipher), weakWord(p.Hash), weakWord(p.Group)))
}

// Weak says what is weak about one proposal.
func (p ESPProposal) Weak() []string {
	return once(slices.Concat(weakWord(p.Cipher), weakWord(p.Integrity), weakWord(p.Group)))
}

func weakWord(word string) []string {
	switch word {
	case "des":
		return []string{"DES is broken: its keys can be found in a day."}
	case "3des":
		return []string{"3DES is outdated: its blocks are too small for much traffic."}
	case "null":
		return []string{"ESP without encryption hides nothing."}
	case "md5":
		return []string{"MD5 is outdated."}
	case "modp768":
		return []string{"The Diffie-Hellman group MODP768 is broken."}
	case "modp1024":
		return []string{"The Diffie-Hellman group MODP1024 is within reach of a rich attacker."}
	}
	return nil
}

// once drops sentences that stand in the list before.
func once(list []string) []string {
	var out []string
	for _, s := range list {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
