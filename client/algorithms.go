package client

import (
	"fmt"

	"postern/client/profile"
	"postern/ike"
	"postern/ike/isakmp"
	"postern/tun/esp"
)

// The names that a profile gives algorithms, in the numbers of the wire.
var (
	phase1Ciphers = map[string]isakmp.Cipher{
		"des": isakmp.CipherDES, "3des": isakmp.Cipher3DES, "aes": isakmp.CipherAES,
	}
	hashes = map[string]isakmp.Hash{
		"md5": isakmp.HashMD5, "sha1": isakmp.HashSHA1, "sha256": isakmp.HashSHA256,
		"sha384": isakmp.HashSHA384, "sha512": isakmp.HashSHA512,
	}
	groups = map[string]isakmp.Group{
		"modp768": isakmp.GroupMODP768, "modp1024": isakmp.GroupMODP1024, "modp1536": isakmp.GroupMODP1536,
		"modp2048": isakmp.GroupMODP2048, "modp3072": isakmp.GroupMODP3072, "modp4096": isakmp.GroupMODP4096,
		"modp6144": isakmp.GroupMODP6144, "modp8192": isakmp.GroupMODP8192, "ecp256": isakmp.GroupECP256,
		"ecp384": isakmp.GroupECP384, "ecp521": isakmp.GroupECP521, "curve25519": isakmp.GroupCurve25519,
	}
	espCiphers = map[string]isakmp.ESPTransform{
		"des": isakmp.ESPDES, "3des": isakmp.ESP3DES, "aes": isakmp.ESPAES,
		"aes-gcm16": isakmp.ESPAESGCM16, "null": isakmp.ESPNull,
	}
	espIntegrity = map[string]isakmp.AuthAlgorithm{
		"": 0, "md5": isakmp.AuthHMACMD5, "sha1": isakmp.AuthHMACSHA1, "sha256": isakmp.AuthHMACSHA256,
		"sha256_96": isakmp.AuthHMACSHA256, "sha384": isakmp.AuthHMACSHA384, "sha512": isakmp.AuthHMACSHA512,
	}
)

// phase1Proposals are the profile's for phase 1.
func phase1Proposals(p *profile.Profile) ([]ike.Proposal, error) {
	var out []ike.Proposal
	for _, o := range p.IKE {
		c, okC := phase1Ciphers[o.Cipher]
		h, okH := hashes[o.Hash]
		g, okG := groups[o.Group]
		if !okC || !okH || !okG {
			return nil, fmt.Errorf("ike: %v isn't supported", o)
		}
		out = append(out, ike.Proposal{Cipher: c, KeyBits: o.KeyBits, Hash: h, Group: g})
	}
	return out, nil
}

// espProposals are the profile's for ESP.
func espProposals(p *profile.Profile) ([]ike.ESPProposal, error) {
	var out []ike.ESPProposal
	for _, o := range p.ESP {
		e, okE := espCiphers[o.Cipher]
		i, okI := espIntegrity[o.Integrity]
		if !okE || !okI {
			return nil, fmt.Errorf("esp: %v isn't supported", o)
		}
		out = append(out, ike.ESPProposal{
			Encryption: e, KeyBits: o.KeyBits, Integrity: i, Truncate96: o.Integrity == "sha256_96",
		})
	}
	return out, nil
}

// pfsGroup is the group that Quick Mode runs with, 0 for none. asked is what
// the gateway's Mode Config said: 0 nothing, 1 yes, else a group.
func pfsGroup(p *profile.Profile, asked int, phase1 isakmp.Group) isakmp.Group {
	switch p.PFS {
	case profile.Off, "":
		return 0
	case profile.Auto:
		switch asked {
		case 0:
			return 0
		case 1:
			return phase1
		}
		return isakmp.Group(asked)
	}
	return groups[p.PFS]
}

// suite is a negotiated ESP protection as the data plane names it.
func suite(p ike.ESPProposal) esp.Suite {
	s := esp.Suite{}
	switch p.Encryption {
	case isakmp.ESPDES:
		s.Encryption = esp.DES
	case isakmp.ESP3DES:
		s.Encryption = esp.TripleDES
	case isakmp.ESPAES:
		s.Encryption, s.KeyBits = esp.AES, p.KeyBits
	case isakmp.ESPAESGCM16:
		s.Encryption, s.KeyBits = esp.AESGCM16, p.KeyBits
	case isakmp.ESPNull:
		s.Encryption = esp.Null
	}
	switch p.Integrity {
	case isakmp.AuthHMACMD5:
		s.Integrity = esp.HMACMD5
	case isakmp.AuthHMACSHA1:
		s.Integrity = esp.HMACSHA1
	case isakmp.AuthHMACSHA256:
		s.Integrity = esp.HMACSHA256
		if p.Truncate96 {
			s.Integrity = esp.HMACSHA256Trunc96
		}
	case isakmp.AuthHMACSHA384:
		s.Integrity = esp.HMACSHA384
	case isakmp.AuthHMACSHA512:
		s.Integrity = esp.HMACSHA512
	}
	return s
}

// smallestInner is the MTU inside the tunnel that every suite the profile offers
// leaves of an outer packet of the given size, ESP going in UDP or not.
func smallestInner(ps []ike.ESPProposal, outer int, ipv6 bool) int {
	const udp = 8
	ip := 20
	if ipv6 {
		ip = 40
	}
	mtu := outer
	for _, p := range ps {
		mtu = min(mtu, suite(p).MaxInner(outer-ip-udp))
	}
	return mtu
}
