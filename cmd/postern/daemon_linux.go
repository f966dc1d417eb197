package main

// ownProgram is this program, also when another one lies in its place meanwhile.
func ownProgram() string { return "/proc/self/exe" }
