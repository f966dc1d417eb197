package concentrator

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"postern/ike"
	"postern/ike/isakmp"
	"postern/tun/esp"
)

// Proposals are written as the VPN 5000 concentrator writes them, SHA_3DES_G2 and
// ESP(SHA,3DES), or as strongSwan does, aes256-sha256-modp2048 and aes256-sha256.
var (
	protectionLabel = regexp.MustCompile(`^(MD5|SHA)_(DES|3DES)_G([12])$`)
	transformLabel  = regexp.MustCompile(`^ESP\((MD5|SHA),(DES|3DES)\)$`)
)

// cipher is a word of a proposal.
type cipher struct {
	ike isakmp.Cipher // 0: not for phase 1
	esp isakmp.ESPTransform
	bit int
}

var ciphers = map[string]cipher{
	"des":  {isakmp.CipherDES, isakmp.ESPDES, 0},
	"3des": {isakmp.Cipher3DES, isakmp.ESP3DES, 0},
	"null": {0, isakmp.ESPNull, 0},
	"aes":  {isakmp.CipherAES, isakmp.ESPAES, 128}, "aes128": {isakmp.CipherAES, isakmp.ESPAES, 128},
	"aes192": {isakmp.CipherAES, isakmp.ESPAES, 192}, "aes256": {isakmp.CipherAES, isakmp.ESPAES, 256},
	"aes128gcm16": {0, isakmp.ESPAESGCM16, 128}, "aes192gcm16": {0, isakmp.ESPAESGCM16, 192}, "aes256gcm16": {0, isakmp.ESPAESGCM16, 256},
}

// hash is a word of a proposal.
type hash struct {
	ike   isakmp.Hash // 0: not for phase 1
	esp   isakmp.AuthAlgorithm
	cut96 bool
}

var hashes = map[string]hash{
	"md5": {isakmp.HashMD5, isakmp.AuthHMACMD5, false},
	"sha": {isakmp.HashSHA1, isakmp.AuthHMACSHA1, false}, "sha1": {isakmp.HashSHA1, isakmp.AuthHMACSHA1, false},
	"sha256": {isakmp.HashSHA256, isakmp.AuthHMACSHA256, false}, "sha256_96": {0, isakmp.AuthHMACSHA256, true},
	"sha384": {isakmp.HashSHA384, isakmp.AuthHMACSHA384, false}, "sha512": {isakmp.HashSHA512, isakmp.AuthHMACSHA512, false},
}

var groups = map[string]isakmp.Group{
	"g1": isakmp.GroupMODP768, "g2": isakmp.GroupMODP1024,
	"modp768": isakmp.GroupMODP768, "modp1024": isakmp.GroupMODP1024, "modp1536": isakmp.GroupMODP1536,
	"modp2048": isakmp.GroupMODP2048, "modp3072": isakmp.GroupMODP3072, "modp4096": isakmp.GroupMODP4096,
	"modp6144": isakmp.GroupMODP6144, "modp8192": isakmp.GroupMODP8192,
	"ecp256": isakmp.GroupECP256, "ecp384": isakmp.GroupECP384, "ecp521": isakmp.GroupECP521,
	"curve25519": isakmp.GroupCurve25519, "x25519": isakmp.GroupCurve25519,
}

// words is a proposal taken apart.
type words struct {
	cipher *cipher
	hash   *hash
	group  isakmp.Group
}

func readWords(s string) (w words, err error) {
	for part := range strings.SplitSeq(strings.ToLower(s), "-") {
		c, isCipher := ciphers[part]
		h, isHash := hashes[part]
		g, isGroup := groups[part]
		switch {
		case isCipher && w.cipher == nil:
			w.cipher = &c
		case isHash && w.hash == nil:
			w.hash = &h
		case isGroup && w.group == 0:
			w.group = g
		case isCipher, isHash, isGroup:
			return w, fmt.Errorf("%q: %q is a second algorithm of its kind", s, part)
		default:
			return w, fmt.Errorf("%q: %q is no algorithm known here", s, part)
		}
	}
	return w, nil
}

// parseProtection reads a phase 1 proposal.
func parseProtection(s string) (ike.Proposal, error) {
	modern := s
	if m := protectionLabel.FindStringSubmatch(strings.ToUpper(s)); m != nil {
		modern = m[2] + "-" + m[1] + "-G" + m[3]
	}
	w, err := readWords(modern)
	switch {
	case err != nil:
		return ike.Proposal{}, err
	case w.cipher == nil || w.hash == nil || w.group == 0:
		return ike.Proposal{}, fmt.Errorf("%q: wants SHA_3DES_G2 or aes256-sha256-modp2048", s)
	case w.cipher.ike == 0 || w.hash.ike == 0:
		return ike.Proposal{}, fmt.Errorf("%q: is for ESP, not for IKE", s)
	}
	return ike.Proposal{Cipher: w.cipher.ike, KeyBits: w.cipher.bit, Hash: w.hash.ike, Group: w.group}, nil
}

// parseTransform reads a phase 2 proposal.
func parseTransform(s string) (ike.ESPProposal, error) {
	modern, label := s, strings.ToUpper(strings.ReplaceAll(s, " ", ""))
	if m := transformLabel.FindStringSubmatch(label); m != nil {
		modern = m[2] + "-" + m[1]
	} else if strings.HasPrefix(label, "AH(") || strings.Contains(label, "+") {
		return ike.ESPProposal{}, fmt.Errorf("%q: AH is not yet possible", s)
	}
	w, err := readWords(modern)
	switch {
	case err != nil:
		return ike.ESPProposal{}, err
	case w.group != 0:
		return ike.ESPProposal{}, fmt.Errorf("%q: the group stands in PFS", s)
	case w.cipher == nil:
		return ike.ESPProposal{}, fmt.Errorf("%q: wants ESP(SHA,3DES) or aes256-sha256", s)
	}
	p := ike.ESPProposal{Encryption: w.cipher.esp, KeyBits: w.cipher.bit}
	gcm := p.Encryption == isakmp.ESPAESGCM16
	switch {
	case gcm && w.hash != nil:
		return p, fmt.Errorf("%q: GCM is its own integrity", s)
	case !gcm && w.hash == nil:
		return p, fmt.Errorf("%q: names no integrity, like %s-sha256", s, s)
	case w.hash != nil:
		p.Integrity, p.Truncate96 = w.hash.esp, w.hash.cut96
	}
	return p, nil
}

// parsePFS reads a group; "off" and "auto" leave it to the client.
func parsePFS(s string) (isakmp.Group, error) {
	name := strings.ToLower(s)
	if slices.Contains([]string{"off", "auto", "false", "no"}, name) {
		return 0, nil
	}
	if g, ok := groups[name]; ok {
		return g, nil
	}
	return 0, fmt.Errorf("%q: wants off, or a group like G2 or modp2048", s)
}

// suite is a negotiated proposal in the data plane's words.
func suite(p ike.ESPProposal) (esp.Suite, error) {
	encryption, ok := map[isakmp.ESPTransform]esp.Encryption{
		isakmp.ESPNull: esp.Null, isakmp.ESPDES: esp.DES, isakmp.ESP3DES: esp.TripleDES,
		isakmp.ESPAES: esp.AES, isakmp.ESPAESGCM16: esp.AESGCM16,
	}[p.Encryption]
	integrity, known := map[isakmp.AuthAlgorithm]esp.Integrity{
		0: esp.NoIntegrity, isakmp.AuthHMACMD5: esp.HMACMD5, isakmp.AuthHMACSHA1: esp.HMACSHA1,
		isakmp.AuthHMACSHA256: esp.HMACSHA256, isakmp.AuthHMACSHA384: esp.HMACSHA384, isakmp.AuthHMACSHA512: esp.HMACSHA512,
	}[p.Integrity]
	if !ok || !known {
		return esp.Suite{}, fmt.Errorf("no ESP for %v", p)
	}
	if p.Truncate96 {
		integrity = esp.HMACSHA256Trunc96
	}
	return esp.Suite{Encryption: encryption, KeyBits: p.KeyBits, Integrity: integrity}, nil
}
