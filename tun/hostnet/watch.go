package hostnet

import "time"

// Kind is what a [Change] is about.
type Kind uint8

const (
	// Address: an address came or went, or the device that carries it went up or down.
	Address Kind = iota + 1
	// Route: addresses are as before, the ways out of the host aren't.
	Route
	// Sleep: the host is about to sleep. It waits for Change.Done, for some seconds at most.
	Sleep
	// Resume: the host slept, and is awake again.
	Resume
	// Deaf: one of the sources of news is silent from now on, Change.Err says which and why. The others go on.
	Deaf
)

// String is "address", "route", "sleep", "resume" or "deaf".
func (k Kind) String() string {
	if names := [...]string{"", "address", "route", "sleep", "resume", "deaf"}; int(k) < len(names) {
		return names[k]
	}
	return ""
}

// Change is something that happened to the host's network, and that a tunnel may have to follow.
type Change struct {
	Kind  Kind
	Slept time.Duration // Resume: for how long, as far as the clocks tell; 0: they don't
	Err   error         // Deaf
	Done  func()        // Sleep: tells the host that we are ready. Never nil with Sleep; may be called more than once.
}
