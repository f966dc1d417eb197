package formats

import "slices"

// Cisco's client and vpnc have no key for proposals: what they offered is written into
// the profile, where a person sees it and what is weak in it.
//
// Source: vpnc 0.5.3, src/vpnc.c and src/supp.c; Cisco VPN Client Administrator Guide
// 4.0, chapter 2 and the appendix on IKE proposals.
var (
	ciscoCiphers = []string{"aes256", "aes128", "3des"}
	vpncCiphers  = []string{"aes256", "aes192", "aes128", "3des"}
	shaOrMD5     = []string{"sha1", "md5"}
)

// offered multiplies ciphers, hashes and groups out, the first ones first. Without
// groups it is for ESP.
func offered(ciphers, hashes, groups []string) []string {
	var out []string
	if len(groups) == 0 {
		groups = []string{""}
	}
	for _, group := range groups {
		for _, c := range ciphers {
			for _, h := range hashes {
				s := c + "-" + h
				if group != "" {
					s += "-" + group
				}
				out = append(out, s)
			}
		}
	}
	return out
}

// historical sets what a client offered that let nobody choose.
func (d *draft) historical(client string, ciphers, hashes []string, group string) {
	d.set(at{}, "ike", offered(slices.DeleteFunc(slices.Clone(ciphers), func(c string) bool { return c == "null" }), hashes, []string{group}))
	d.set(at{}, "esp", offered(ciphers, hashes, nil))
	d.guessed(at{}, "The file names no algorithms; the profile has those that "+client+" offered.")
}

// groupNumber is the number of a Diffie-Hellman group that those clients know, "" of
// another one.
func groupNumber(name string) string {
	for _, n := range []string{"1", "2", "5", "14", "15", "16", "17", "18"} {
		if groupNumbers[n] == name {
			return n
		}
	}
	return ""
}
