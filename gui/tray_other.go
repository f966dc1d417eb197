//go:build !linux

package gui

// HasTray says that somebody shows symbols beside the clock.
func HasTray() bool { return true }
