//go:build !linux

package gui

// hasTray says that somebody shows symbols beside the clock.
func hasTray() bool { return true }
