//go:build !amd64

package lanes

// newDESKernel: there is one kernel.
func newDESKernel(rounds []desRound) desKernel { return newBitslicedDES(rounds) }
