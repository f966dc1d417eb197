package lanes

// newDESKernel returns the kernel of the tier in use.
func newDESKernel(rounds []desRound) desKernel {
	if tier >= AVX512 {
		return newWideDES(rounds)
	}
	return newBitslicedDES(rounds)
}
