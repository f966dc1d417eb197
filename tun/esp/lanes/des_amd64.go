package lanes

// newDESKernel returns the kernel of the tier in use.
func newDESKernel(rounds []desRound) desKernel { return newBitslicedDES(rounds) }
