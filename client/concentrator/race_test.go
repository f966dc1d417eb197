//go:build race

package concentrator

// raced says whether the race detector is on, which makes this ten times as slow.
const raced = true
