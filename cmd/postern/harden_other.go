//go:build !linux

package main

func noCoreDumps() {}

func lockMemory() bool { return false }

const daemonCapabilities = 0

func boundCapabilities(int) error { return nil }
