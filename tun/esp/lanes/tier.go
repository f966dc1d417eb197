package lanes

import "fmt"

// Tier is a set of instructions.
type Tier uint8

// The tiers; each needs the ones before it.
const (
	Pure   Tier = iota // Go alone: the standard library
	AVX2               // with AES-NI and SHA-NI
	AVX512             // F, BW, DQ, VL, VBMI, with VAES and GFNI
)

func (t Tier) String() string {
	switch t {
	case Pure:
		return "pure"
	case AVX2:
		return "avx2"
	case AVX512:
		return "avx512"
	}
	return fmt.Sprintf("tier(%d)", uint8(t))
}

// best and lacking are set once from the CPU: its best tier, and which flag
// keeps it from the next one.
var best, lacking = detect()

// tier is the one that new ciphers and MACs use.
var tier = best

// Best returns the best tier of this CPU.
func Best() Tier { return best }

// Used returns the tier of the ciphers and MACs that are made now.
func Used() Tier { return tier }

// SetTier has the ciphers and MACs that are made from now on use another tier,
// for tests and benchmarks. A tier beyond the CPU is refused with an error that
// names the flag it lacks. It must not run while another goroutine makes one.
func SetTier(t Tier) error {
	if t > best {
		return fmt.Errorf("lanes: tier %v: the CPU lacks %s", t, lacking)
	}
	tier = t
	return nil
}
