package lanes

// newDESKernel returns the kernel of the tier in use.
func newDESKernel(rounds []desRound) desKernel {
	switch tier {
	case AVX512:
		return newWideDES(rounds)
	case AVX2:
		return newSlicedDES(rounds)
	default:
		return newBitslicedDES(rounds)
	}
}
