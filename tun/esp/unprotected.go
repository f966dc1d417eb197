//go:build !bench

package esp

// unprotected lets a suite through that has neither encryption nor integrity:
// only in the benchmark's programs, as the most that the rest of the data plane
// can reach.
const unprotected = false
