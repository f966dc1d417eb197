//go:build !race

package concentrator

// raced says whether the race detector is on.
const raced = false
