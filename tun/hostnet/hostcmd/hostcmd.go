// Package hostcmd sets up a host's network by the system's own commands, on systems where package hostnet has no
// interface to the kernel: macOS by ifconfig(8), route(8) and scutil(8), Windows by netsh and PowerShell.
//
//	hostcmd.go  what is called, and what it is called with
//	steps.go    the list of changes: done, undone, replaced, and what a dead process left
//	record.go   the file that has the list
//	table.go    routes that there are, and the way to an address
//	mac.go, windows_plan.go  a system's commands: pure, and tested on any system
//
// Nothing of a gateway's reaches a command but addresses and domain names that hostnet.Config.Clean let through; no
// shell reads the commands of macOS, and what PowerShell reads is quoted.
package hostcmd

import (
	"context"
	"net/netip"
)

// Tunnel is what shall be in force, with all decisions made.
type Tunnel struct {
	Interface string
	Addresses []netip.Addr
	MTU       int            // octets; 0 leaves it
	Routes    []netip.Prefix // as they are to be installed: everything as two halves, nothing that is excluded

	Gateway netip.Addr // of the concentrator; the zero Addr needs no route
	Way     Route      // that packets to it take at present

	BlockIPv6 bool

	DNS    []netip.Addr
	Search []string
	Split  []string // empty: DNS is asked for everything
}

// Command is a program's call.
type Command struct {
	Argv  []string `json:"argv"`
	Input string   `json:"input,omitempty"` // what it reads
}

// Run runs a command and returns what it printed. Its error has what the program said.
type Run func(ctx context.Context, c Command) (string, error)

// System is a kind of machine.
type System struct {
	// Plan lists the steps that put a Tunnel in force, in their order, and says what of it can't be had here.
	Plan func(t Tunnel) (steps []Step, warnings []string)
	// Table lists the routes that there are.
	Table func(ctx context.Context, run Run) ([]Route, error)
}

// Route is a route of the host's.
type Route struct {
	Dst       netip.Prefix
	Via       netip.Addr // invalid: on the link
	Interface string     // its name
	Index     int        // its number, where the system has one at hand
	Metric    int        // the least wins among routes to the same network
}

// Step is one change of the host's network, with the way back.
type Step struct {
	Slot  string    `json:"slot"` // what it is about, in words; two steps of one slot aren't in force at once
	Do    []Command `json:"do"`
	Undo  []Command `json:"undo,omitempty"` // none: it goes with the device
	Route *Target   `json:"route,omitempty"`

	// Sure says that Do succeeded. A step that isn't sure may have been done all the same: the process ended meanwhile.
	Sure bool `json:"sure,omitempty"`
}

// Target is the route that a step adds.
type Target struct {
	Dst       netip.Prefix `json:"dst"`
	Interface string       `json:"interface"`
	Via       netip.Addr   `json:"via,omitzero"`
}
