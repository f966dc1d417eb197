//go:build !amd64

package lanes

// detect: there are no kernels for other CPUs.
func detect() (best Tier, lacking string) { return Pure, "amd64" }
