package lanes

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// wideKernels are the kernels that only the tier AVX512 calls.
var wideKernels = []string{
	"aesEncryptx16", "aesDecryptWide", "desEncryptx64", "desDecryptx64", "md5x16", "sha1x16", "sha256x16",
}

var (
	// What only a CPU with AVX-512 has: registers, masks, broadcasts, and the
	// instructions that have no other encoding; and VAES beyond 128 bits.
	beyondAVX2 = regexp.MustCompile(`\bZ\d|\b[XY](1[6-9]|2\d|3[01])\b|\bK[0-7]\b|\.BCST|\.Z\b|VPTERN|VPRO[LR]|VMOVDQ[AU](8|16|32|64)|` +
		`VPERMB|VALIGN|GF2P8|VP(X?OR|ANDN?)[DQ]\b|[IF](32|64)X|VAES.*\bY\d`)
	wideRegister = regexp.MustCompile(`\b[YZ]\d`)
	remark       = regexp.MustCompile(`//.*`)
)

// Where the CPU has AVX-512 nobody would notice a kernel of the tier AVX2 that
// needs it. Nor would one that leaves the upper halves of registers in use, which
// makes other code slow.
func TestAssembly(t *testing.T) {
	files, err := filepath.Glob("*_amd64.s")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	seen := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, functions, _ := strings.Cut(string(text), "TEXT ·")
		for function := range strings.SplitSeq(functions, "TEXT ·") {
			name, _, _ := strings.Cut(function, "(")
			seen[name] = true
			checkAssembly(t, file+": "+name, remark.ReplaceAllString(function, ""), slices.Contains(wideKernels, name))
		}
	}
	for _, name := range wideKernels {
		if !seen[name] {
			t.Errorf("there is no %s", name)
		}
	}
}

func checkAssembly(t *testing.T, where, text string, wide bool) {
	t.Helper()
	if bad := beyondAVX2.FindString(text); bad != "" && !wide {
		t.Errorf("%s: %s is beyond AVX2", where, bad)
	}
	if !wideRegister.MatchString(text) {
		return
	}
	words := strings.Fields(text)
	for i, word := range words {
		if word == "RET" && words[i-1] != "VZEROUPPER" {
			t.Errorf("%s: returns without VZEROUPPER", where)
		}
	}
}
