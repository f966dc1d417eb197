package profile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// IKEProposal is one phase 1 proposal in strongSwan's spelling without a prf:
// "aes256-sha256-modp2048", "3des-md5-modp1024".
type IKEProposal struct {
	Cipher  string // "des", "3des", "aes" (all CBC)
	KeyBits int    // of AES: 128, 192, 256; of the others 0
	Hash    string // "md5", "sha1", "sha256", "sha384", "sha512"
	Group   string // "modp768" … "modp8192", "ecp256", "ecp384", "ecp521", "curve25519"
}

// ESPProposal is one phase 2 proposal in strongSwan's spelling: "aes256-sha256",
// "aes128gcm16", "null-sha1", "3des-md5-modp1024".
type ESPProposal struct {
	Cipher    string // "des", "3des", "aes" (all CBC), "aes-gcm16", "null"
	KeyBits   int    // of AES: 128, 192, 256; of the others 0
	Integrity string // "md5", "sha1", "sha256", "sha256_96" (cut to 96 bits), "sha384", "sha512"; "" with aes-gcm16
	Group     string // as written, "" for none; Profile.PFS names it too
}

// String gives the proposal as a profile writes it.
func (p IKEProposal) String() string {
	return cipherName(p.Cipher, p.KeyBits) + "-" + p.Hash + "-" + p.Group
}

// String gives the proposal as a profile writes it.
func (p ESPProposal) String() string {
	s := cipherName(p.Cipher, p.KeyBits)
	if p.Integrity != "" {
		s += "-" + p.Integrity
	}
	if p.Group != "" {
		s += "-" + p.Group
	}
	return s
}

func cipherName(cipher string, keyBits int) string {
	switch cipher {
	case "aes":
		return "aes" + strconv.Itoa(keyBits)
	case "aes-gcm16":
		return "aes" + strconv.Itoa(keyBits) + "gcm16"
	}
	return cipher
}

type cipher struct {
	name    string
	keyBits int
}

// The words of a proposal, and what they stand for. A word belongs to one map.
var (
	ciphers = map[string]cipher{
		"des": {"des", 0}, "3des": {"3des", 0}, "null": {"null", 0},
		"aes": {"aes", 128}, "aes128": {"aes", 128}, "aes192": {"aes", 192}, "aes256": {"aes", 256},
		"aes128gcm16": {"aes-gcm16", 128}, "aes192gcm16": {"aes-gcm16", 192}, "aes256gcm16": {"aes-gcm16", 256},
		"aes128gcm128": {"aes-gcm16", 128}, "aes192gcm128": {"aes-gcm16", 192}, "aes256gcm128": {"aes-gcm16", 256},
	}
	hashes = map[string]string{
		"md5": "md5", "sha": "sha1", "sha1": "sha1",
		"sha256": "sha256", "sha2_256": "sha256", "sha384": "sha384", "sha2_384": "sha384",
		"sha512": "sha512", "sha2_512": "sha512", "sha256_96": "sha256_96", "sha2_256_96": "sha256_96",
	}
	groups = map[string]string{
		"modp768": "modp768", "modp1024": "modp1024", "modp1536": "modp1536", "modp2048": "modp2048",
		"modp3072": "modp3072", "modp4096": "modp4096", "modp6144": "modp6144", "modp8192": "modp8192",
		"ecp256": "ecp256", "ecp384": "ecp384", "ecp521": "ecp521",
		"curve25519": "curve25519", "x25519": "curve25519",
	}
)

// words is a proposal taken apart; what it doesn't name is zero.
type words struct {
	cipher      cipher
	hash, group string
}

// split takes a proposal apart. The words may stand in any order, as in
// strongSwan; each kind may occur once.
func split(s string) (words, error) {
	var w words
	for word := range strings.SplitSeq(strings.ToLower(s), "-") {
		var twice bool
		if c, ok := ciphers[word]; ok {
			twice, w.cipher = w.cipher.name != "", c
		} else if h, ok := hashes[word]; ok {
			twice, w.hash = w.hash != "", h
		} else if g, ok := groups[word]; ok {
			twice, w.group = w.group != "", g
		} else if strings.HasPrefix(word, "prf") {
			return words{}, fmt.Errorf("%q: IKEv1 has no separate prf, leave %q out", s, word)
		} else {
			return words{}, fmt.Errorf("%q: %q is no algorithm known here", s, word)
		}
		if twice {
			return words{}, fmt.Errorf("%q: %q is a second algorithm of its kind; write one proposal for each", s, word)
		}
	}
	return w, nil
}

// ParseIKE reads a phase 1 proposal, or a VPN 5000 Protection label.
func ParseIKE(s string) (IKEProposal, error) {
	if p, ok := protectionLabel(s); ok {
		return p, nil
	}
	w, err := split(s)
	if err != nil {
		return IKEProposal{}, err
	}
	switch {
	case w.cipher.name == "aes-gcm16", w.cipher.name == "null":
		return IKEProposal{}, fmt.Errorf("%q: IKE itself wants des, 3des or aes", s)
	case w.hash == "sha256_96":
		return IKEProposal{}, fmt.Errorf("%q: sha256_96 is for ESP; write sha256", s)
	case w.cipher.name == "" || w.hash == "" || w.group == "":
		return IKEProposal{}, fmt.Errorf("%q: wants cipher-hash-group, like aes256-sha256-modp2048", s)
	}
	return IKEProposal{Cipher: w.cipher.name, KeyBits: w.cipher.keyBits, Hash: w.hash, Group: w.group}, nil
}

// ParseESP reads a phase 2 proposal, or a VPN 5000 Transform label.
func ParseESP(s string) (ESPProposal, error) {
	if p, ok, err := transformLabel(s); ok {
		return p, err
	}
	w, err := split(s)
	if err != nil {
		return ESPProposal{}, err
	}
	gcm := w.cipher.name == "aes-gcm16"
	switch {
	case w.cipher.name == "":
		return ESPProposal{}, fmt.Errorf("%q: wants cipher-integrity, like aes256-sha256", s)
	case gcm && w.hash != "":
		return ESPProposal{}, fmt.Errorf("%q: GCM is its own integrity, leave %s out", s, w.hash)
	case !gcm && w.hash == "":
		return ESPProposal{}, fmt.Errorf("%q: names no integrity, like %s-sha256", s, s)
	}
	return ESPProposal{Cipher: w.cipher.name, KeyBits: w.cipher.keyBits, Integrity: w.hash, Group: w.group}, nil
}

// ParsePFS reads the value of pfs: "off", "auto" or a group.
func ParsePFS(s string) (string, error) {
	if s == Off || s == Auto {
		return s, nil
	}
	if g, ok := groups[strings.ToLower(s)]; ok {
		return g, nil
	}
	return "", errors.New(`wants "off", "auto" or a group like "modp2048"`)
}
