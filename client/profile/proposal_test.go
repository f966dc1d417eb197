package profile

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseIKE(t *testing.T) {
	tests := []struct {
		in      string
		want    IKEProposal
		out     string
		problem string
	}{
		{in: "aes256-sha256-modp2048", want: IKEProposal{"aes", 256, "sha256", "modp2048"}, out: "aes256-sha256-modp2048"},
		{in: "aes-sha-modp1536", want: IKEProposal{"aes", 128, "sha1", "modp1536"}, out: "aes128-sha1-modp1536"},
		{in: "AES192-SHA2_384-ECP384", want: IKEProposal{"aes", 192, "sha384", "ecp384"}, out: "aes192-sha384-ecp384"},
		{in: "3des-md5-modp1024", want: IKEProposal{"3des", 0, "md5", "modp1024"}, out: "3des-md5-modp1024"},
		{in: "des-md5-modp768", want: IKEProposal{"des", 0, "md5", "modp768"}, out: "des-md5-modp768"},
		{in: "sha512-x25519-aes256", want: IKEProposal{"aes", 256, "sha512", "curve25519"}, out: "aes256-sha512-curve25519"},
		{in: "aes256-sha1-ecp521", want: IKEProposal{"aes", 256, "sha1", "ecp521"}, out: "aes256-sha1-ecp521"},
		{in: "MD5_DES_G1", want: IKEProposal{"des", 0, "md5", "modp768"}, out: "des-md5-modp768"},
		{in: "SHA_3DES_G2", want: IKEProposal{"3des", 0, "sha1", "modp1024"}, out: "3des-sha1-modp1024"},
		{in: "sha_des_g2", want: IKEProposal{"des", 0, "sha1", "modp1024"}, out: "des-sha1-modp1024"},
		{in: "", problem: "no algorithm known"},
		{in: "aes256", problem: "wants cipher-hash-group"},
		{in: "aes256-sha256", problem: "wants cipher-hash-group"},
		{in: "sha256-modp2048", problem: "wants cipher-hash-group"},
		{in: "aes256-sha256-modp2048!", problem: `"modp2048!" is no algorithm known here`},
		{in: "aes256-aes128-sha256-modp2048", problem: `"aes128" is a second algorithm of its kind`},
		{in: "aes256-sha256-modp2048-modp1024", problem: `"modp1024" is a second`},
		{in: "aes256-sha256-prfsha256-modp2048", problem: `leave "prfsha256" out`},
		{in: "aes256-sha256_96-modp2048", problem: "sha256_96 is for ESP"},
		{in: "aes256gcm16-sha256-modp2048", problem: "wants des, 3des or aes"},
		{in: "null-sha256-modp2048", problem: "wants des, 3des or aes"},
		{in: "MD5_DES_G5", problem: "no algorithm known"},
		{in: "ESP(MD5,DES)", problem: "no algorithm known"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseIKE(tt.in)
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) || !strings.Contains(err.Error(), tt.in) {
					t.Errorf("error %v, want %q", err, tt.problem)
				}
				return
			}
			if err != nil || got != tt.want || got.String() != tt.out {
				t.Errorf("%+v, %q, error %v", got, got, err)
			}
		})
	}
}

func TestParseESP(t *testing.T) {
	tests := []struct {
		in      string
		want    ESPProposal
		out     string
		problem string
	}{
		{in: "aes256-sha256", want: ESPProposal{"aes", 256, "sha256", ""}, out: "aes256-sha256"},
		{in: "aes-sha2_256_96", want: ESPProposal{"aes", 128, "sha256_96", ""}, out: "aes128-sha256_96"},
		{in: "3des-md5-modp1024", want: ESPProposal{"3des", 0, "md5", "modp1024"}, out: "3des-md5-modp1024"},
		{in: "des-sha1", want: ESPProposal{"des", 0, "sha1", ""}, out: "des-sha1"},
		{in: "null-sha1", want: ESPProposal{"null", 0, "sha1", ""}, out: "null-sha1"},
		{in: "aes128gcm16", want: ESPProposal{"aes-gcm16", 128, "", ""}, out: "aes128gcm16"},
		{in: "AES256GCM128-ecp256", want: ESPProposal{"aes-gcm16", 256, "", "ecp256"}, out: "aes256gcm16-ecp256"},
		{in: "ESP(MD5,DES)", want: ESPProposal{"des", 0, "md5", ""}, out: "des-md5"},
		{in: "esp(sha, 3des)", want: ESPProposal{"3des", 0, "sha1", ""}, out: "3des-sha1"},
		{in: "AH(MD5)", problem: "AH is not yet possible"},
		{in: "AH(SHA)+ESP(3DES)", problem: "AH is not yet possible"},
		{in: "ESP(MD5)", problem: "no algorithm known"},
		{in: "", problem: "no algorithm known"},
		{in: "sha256", problem: "wants cipher-integrity"},
		{in: "aes128", problem: "names no integrity, like aes128-sha256"},
		{in: "null", problem: "names no integrity"},
		{in: "aes128gcm16-sha256", problem: "leave sha256 out"},
		{in: "aes128gcm8", problem: "no algorithm known"},
		{in: "aes128-sha1-sha256", problem: "is a second algorithm"},
		{in: "SHA_3DES_G2", problem: "no algorithm known"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseESP(tt.in)
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) || !strings.Contains(err.Error(), tt.in) {
					t.Errorf("error %v, want %q", err, tt.problem)
				}
				return
			}
			if err != nil || got != tt.want || got.String() != tt.out {
				t.Errorf("%+v, %q, error %v", got, got, err)
			}
		})
	}
}

func TestGroups(t *testing.T) {
	for _, g := range []string{
		"modp768", "modp1024", "modp1536", "modp2048", "modp3072", "modp4096", "modp6144", "modp8192",
		"ecp256", "ecp384", "ecp521", "curve25519",
	} {
		if p, err := ParseIKE("aes256-sha256-" + g); err != nil || p.Group != g {
			t.Errorf("%s: %v, error %v", g, p, err)
		}
	}
}

func TestWeak(t *testing.T) {
	tests := []struct {
		name, lines string
		want        []string // words in the sentences, in order
	}{
		{"defaults", ``, nil},
		{"DES", `ike = ["des-sha1-modp2048"]`, []string{"DES is broken"}},
		{"3DES, MD5 and a group, in both phases", "ike = [\"3des-md5-modp1024\"]\nesp = [\"3des-md5\"]", []string{"3DES", "MD5", "MODP1024"}},
		{"group of PFS", `pfs = "modp768"`, []string{"MODP768"}},
		{"group of an esp proposal", `esp = ["aes256-sha1-modp1024"]`, []string{"MODP1024"}},
		{"no encryption", `esp = ["null-sha1"]`, []string{"hides nothing"}},
		{"label", `esp = ["ESP(MD5,DES)"]`, []string{"DES is broken", "MD5"}},
		{"Aggressive Mode", `mode = "aggressive"`, []string{"Aggressive Mode"}},
		{"short secret", `secret = "123456789012345"`, []string{"short"}},
		{"long secret", `secret = "1234567890123456"`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Parse(minimal(tt.lines), "x.toml")
			if err != nil {
				t.Fatal(err)
			}
			got := p.Weak()
			same := len(got) == len(tt.want)
			for i := range min(len(got), len(tt.want)) {
				same = same && strings.Contains(got[i], tt.want[i]) && strings.HasSuffix(got[i], ".")
			}
			if !same {
				t.Error(cmp.Diff(tt.want, got))
			}
		})
	}
	if w := (IKEProposal{"des", 0, "md5", "modp768"}).Weak(); len(w) != 3 {
		t.Errorf("des-md5-modp768: %q", w)
	}
	if w := (ESPProposal{"aes", 256, "sha256", ""}).Weak(); w != nil {
		t.Errorf("aes256-sha256: %q", w)
	}
}
