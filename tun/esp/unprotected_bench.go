//go:build bench

package esp

// unprotected: see unprotected.go.
const unprotected = true
