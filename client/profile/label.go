package profile

import (
	"fmt"
	"regexp"
	"strings"
)

// The VPN 5000 concentrator's names for proposals (Cisco's VPN 5000
// guides, keywords Protection and Transform).
var (
	protection = regexp.MustCompile(`^(MD5|SHA)_(DES|3DES)_(G1|G2)$`)
	transform  = regexp.MustCompile(`^ESP\((MD5|SHA),(DES|3DES)\)$`)
)

// protectionLabel reads a phase 1 label, "SHA_3DES_G2": hash, cipher, group.
func protectionLabel(s string) (IKEProposal, bool) {
	m := protection.FindStringSubmatch(strings.ToUpper(s))
	if m == nil {
		return IKEProposal{}, false
	}
	group := map[string]string{"G1": "modp768", "G2": "modp1024"}[m[3]]
	return IKEProposal{Cipher: strings.ToLower(m[2]), Hash: labelHash(m[1]), Group: group}, true
}

// transformLabel reads a phase 2 label, "ESP(SHA,3DES)". ok says that s is a
// label; one with AH in it is an error.
func transformLabel(s string) (p ESPProposal, ok bool, err error) {
	label := strings.ToUpper(strings.ReplaceAll(s, " ", ""))
	if strings.HasPrefix(label, "AH(") || strings.Contains(label, "+") {
		return ESPProposal{}, true, fmt.Errorf("%q: AH is not yet possible", s)
	}
	m := transform.FindStringSubmatch(label)
	if m == nil {
		return ESPProposal{}, false, nil
	}
	return ESPProposal{Cipher: strings.ToLower(m[2]), Integrity: labelHash(m[1])}, true, nil
}

func labelHash(s string) string {
	if s == "SHA" {
		return "sha1"
	}
	return "md5"
}
