package ike

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/ike/isakmp"
)

// octets are written in hexadecimal.
type octets []byte

func (o *octets) UnmarshalText(b []byte) (err error) {
	*o, err = hex.DecodeString(string(b))
	return err
}

// vectorFile reads a file of published test vectors, which aren't the project's
// to pass on: where they are missing, the test skips.
func vectorFile(t *testing.T, name string) []byte {
	t.Helper()
	path := filepath.Join("../../shared/facts/vectors", name)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("test vectors aren't here: %s", path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// cavsCase is a paragraph of a NIST file, with the hash of the section it
// stands in.
type cavsCase struct {
	hash   isakmp.Hash
	values map[string]octets
}

func readCAVS(t *testing.T, name string) (cases []cavsCase) {
	t.Helper()
	hashes := map[string]isakmp.Hash{
		"[SHA-1]": isakmp.HashSHA1, "[SHA-256]": isakmp.HashSHA256,
		"[SHA-384]": isakmp.HashSHA384, "[SHA-512]": isakmp.HashSHA512,
	}
	var hash isakmp.Hash
	lines := bufio.NewScanner(strings.NewReader(string(vectorFile(t, name))))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if h, ok := hashes[line]; ok {
			hash = h
		}
		key, value, ok := strings.Cut(line, " = ")
		if !ok || strings.HasPrefix(line, "[") || strings.HasPrefix(line, "#") {
			continue
		}
		if key == "COUNT" {
			cases = append(cases, cavsCase{hash, map[string]octets{}})
			continue
		}
		var o octets
		if err := o.UnmarshalText([]byte(value)); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		cases[len(cases)-1].values[key] = o
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

// schedule is the key schedule of the case. The cipher has no part in it.
func (c cavsCase) schedule() *schedule {
	return &schedule{
		proposal: Proposal{Cipher: isakmp.Cipher3DES, Hash: c.hash},
		ckyI:     isakmp.Cookie(c.values["CKY_I"]), ckyR: isakmp.Cookie(c.values["CKY_R"]),
		gxy: c.values["g^xy"],
	}
}

func (c cavsCase) check(t *testing.T, i int, skeyid []byte) {
	t.Helper()
	k, err := c.schedule().derive(skeyid)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string][]byte{"SKEYID": k.skeyid, "SKEYID_d": k.skeyidD, "SKEYID_a": k.skeyidA, "SKEYID_e": k.skeyidE}
	for name, v := range got {
		if diff := cmp.Diff([]byte(c.values[name]), v); diff != "" {
			t.Errorf("case %d: %s (-want +got):\n%s", i, name, diff)
		}
	}
}

// NIST's CAVS, "IKE v1 Pre-shared Key Authentication".
func TestCAVSPresharedKey(t *testing.T) {
	cases := readCAVS(t, "cavp/ikev1_psk.excerpt.fax")
	if len(cases) < 120 {
		t.Fatalf("only %d cases", len(cases))
	}
	zeros := 0
	for i, c := range cases {
		psk := preShared(c.values["pre-shared-key"])
		c.check(t, i, psk.skeyid(hashFuncs[c.hash], c.values["Ni"], c.values["Nr"]))
		if c.values["g^xy"][0] == 0 {
			zeros++
		}
	}
	t.Logf("%d cases, %d with a leading zero in g^xy", len(cases), zeros)
}

// NIST's CAVS, "IKE v1 Digital Signature Authentication".
func TestCAVSSignature(t *testing.T) {
	for i, c := range readCAVS(t, "cavp/ikev1_dsa.excerpt.fax") {
		a := signature{rsaScheme{}, c.schedule()}
		c.check(t, i, a.skeyid(hashFuncs[c.hash], c.values["Ni"], c.values["Nr"]))
	}
}

// RFC 2409, appendix B: keys shorter than, as long as and longer than SKEYID_e.
func TestCipherKeyVectors(t *testing.T) {
	var file struct {
		Cases []struct {
			PRF     string `json:"prf"`
			SkeyidE octets `json:"skeyid_e"`
			Len     int    `json:"len"`
			Key     octets `json:"key"`
		} `json:"cases"`
	}
	if err := json.Unmarshal(vectorFile(t, "nss/appendix-b-ka.json"), &file); err != nil {
		t.Fatal(err)
	}
	hashes := map[string]isakmp.Hash{
		"sha1": isakmp.HashSHA1, "sha256": isakmp.HashSHA256, "sha384": isakmp.HashSHA384, "sha512": isakmp.HashSHA512,
	}
	if len(file.Cases) != 12 {
		t.Fatalf("%d cases", len(file.Cases))
	}
	for i, c := range file.Cases {
		h, err := findHash(hashes[c.PRF])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]byte(c.Key), cipherKey(h, c.SkeyidE, c.Len)); diff != "" {
			t.Errorf("case %d, %s, %d octets (-want +got):\n%s", i, c.PRF, c.Len, diff)
		}
	}
}

// Fixed private keys of both sides, for each group of a safe prime.
func TestMODPVectors(t *testing.T) {
	var file map[string]struct {
		Bits   int    `json:"group_bits"`
		Prime  octets `json:"prime"`
		XI     octets `json:"x_i"`
		XR     octets `json:"x_r"`
		PubI   octets `json:"pub_i"`
		PubR   octets `json:"pub_r"`
		Shared octets `json:"shared"`
	}
	if err := json.Unmarshal(vectorFile(t, "dh/modp-groups.json"), &file); err != nil {
		t.Fatal(err)
	}
	for id, g := range dhGroups {
		group, ok := g.(*modp)
		if !ok {
			continue
		}
		t.Run(groupName(id), func(t *testing.T) {
			v, ok := file[groupName(id)]
			if !ok {
				t.Fatal("no vector")
			}
			if group.bits > 4096 && testing.Short() {
				t.Skip("slow, and -short was asked for")
			}
			if diff := cmp.Diff([]byte(v.Prime), modpPrime(group.bits, group.c).Bytes()); diff != "" {
				t.Fatalf("prime (-want +got):\n%s", diff)
			}
			i, err := group.key(v.XI)
			if err != nil {
				t.Fatal(err)
			}
			r, err := group.key(v.XR)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]byte{v.PubI, v.PubR}, [][]byte{i.public(), r.public()}); diff != "" {
				t.Errorf("public values (-want +got):\n%s", diff)
			}
			atI, err := i.shared(r.public())
			if err != nil {
				t.Fatal(err)
			}
			atR, err := r.shared(i.public())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([][]byte{v.Shared, v.Shared}, [][]byte{atI, atR}); diff != "" {
				t.Errorf("g^xy (-want +got):\n%s", diff)
			}
		})
	}
}
