package xauth

import (
	"context"

	"postern/ike"
	"postern/ike/isakmp"
)

// Request is what a client tells of itself when it asks for a configuration.
type Request struct {
	Version  string // APPLICATION_VERSION; empty: "postern"
	Hostname string // for the gateway's DNS; empty: not told
	NATTPort bool   // ask for the port of Cisco's own UDP encapsulation
}

// Pull returns the configuration that the gateway assigns: one that it pushed,
// or pushes meanwhile, or the answer to our REQUEST, whichever is there first.
func (c *Client) Pull(ctx context.Context, sa *ike.SA, r Request) (*Assigned, error) {
	return nil, nil
}

// Pushed waits for a configuration that the gateway pushes by itself, or
// returns the one that came. Each is returned once.
func (c *Client) Pushed(ctx context.Context, sa *ike.SA) (*Assigned, error) { return nil, nil }

// Push tells a client what it is assigned (SET/ACK).
func Push(ctx context.Context, sa *ike.SA, a *Assigned) error { return nil }

// Reply is a gateway's answer to a client's REQUEST: the attributes asked for.
func (a *Assigned) Reply(request isakmp.Configuration) *isakmp.Configuration { return nil }
