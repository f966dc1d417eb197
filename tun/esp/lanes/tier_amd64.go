package lanes

// flag is a bit that CPUID sets for a feature.
type flag struct {
	name     string
	leaf     uint32 // 1 or 7
	register int    // 0 to 3: EAX, EBX, ECX, EDX
	bit      uint32
}

// What a tier needs beyond the one before it: Intel's manual, volume 2A, CPUID.
var (
	forAVX2 = []flag{
		{"ssse3", 1, 2, 1 << 9},
		{"sse4_1", 1, 2, 1 << 19},
		{"aes", 1, 2, 1 << 25},
		{"osxsave", 1, 2, 1 << 27},
		{"avx", 1, 2, 1 << 28},
		{"bmi1", 7, 1, 1 << 3},
		{"avx2", 7, 1, 1 << 5},
		{"bmi2", 7, 1, 1 << 8},
		{"sha_ni", 7, 1, 1 << 29},
	}
	forAVX512 = []flag{
		{"avx512f", 7, 1, 1 << 16},
		{"avx512dq", 7, 1, 1 << 17},
		{"avx512bw", 7, 1, 1 << 30},
		{"avx512vl", 7, 1, 1 << 31},
		{"avx512_vbmi", 7, 2, 1 << 1},
		{"gfni", 7, 2, 1 << 8},
		{"vaes", 7, 2, 1 << 9},
	}
)

// The registers that the operating system saves: bits of XCR0.
const (
	savesYMM = 1<<1 | 1<<2
	savesZMM = savesYMM | 1<<5 | 1<<6 | 1<<7
)

// detect asks the CPU.
func detect() (best Tier, lacking string) {
	if leaves, _, _, _ := cpuid(0, 0); leaves < 7 {
		return Pure, "avx2"
	}
	if f := missing(forAVX2); f != "" {
		return Pure, f
	}
	saved := xgetbv()
	if saved&savesYMM != savesYMM {
		return Pure, "avx (the operating system doesn't save its registers)"
	}
	if f := missing(forAVX512); f != "" {
		return AVX2, f
	}
	if saved&savesZMM != savesZMM {
		return AVX2, "avx512f (the operating system doesn't save its registers)"
	}
	return AVX512, ""
}

// missing returns the first flag that the CPU doesn't have, or nothing.
func missing(flags []flag) string {
	for _, f := range flags {
		var r [4]uint32
		r[0], r[1], r[2], r[3] = cpuid(f.leaf, 0)
		if r[f.register]&f.bit == 0 {
			return f.name
		}
	}
	return ""
}

// cpuid is the instruction CPUID.
func cpuid(leaf, subleaf uint32) (eax, ebx, ecx, edx uint32)

// xgetbv returns the low half of XCR0.
func xgetbv() uint32
