//go:build !linux

package main

func noCoreDumps() {}
