package client

import (
	"postern/client/localapi"
	"postern/tun"
)

// A connection's state is told in the words of the local API.
type (
	State             = localapi.State
	Status            = localapi.Status
	GatewayStatus     = localapi.GatewayStatus
	IKEStatus         = localapi.IKEStatus
	CertificateStatus = localapi.CertificateStatus
	TunnelStatus      = localapi.TunnelStatus
	SAStatus          = localapi.SAStatus
	TrafficStatus     = localapi.TrafficStatus
	TrafficCount      = localapi.TrafficCount
	VPN5000Status     = localapi.VPN5000Status
	Reason            = localapi.Reason
)

// The states.
const (
	Down            = localapi.Down
	Resolving       = localapi.Resolving
	Connecting      = localapi.Connecting
	Authenticating  = localapi.Authenticating
	WaitingForInput = localapi.WaitingForInput
	Configuring     = localapi.Configuring
	Up              = localapi.Up
	Rekeying        = localapi.Rekeying
	Reconnecting    = localapi.Reconnecting
	Failed          = localapi.Failed
)

// The exit codes.
const (
	ExitOK          = localapi.ExitOK
	ExitOther       = localapi.ExitOther
	ExitCredentials = localapi.ExitCredentials
	ExitTimeout     = localapi.ExitTimeout
	ExitRefused     = localapi.ExitRefused
	ExitNetwork     = localapi.ExitNetwork
	ExitInput       = localapi.ExitInput
	ExitProfile     = localapi.ExitProfile
	ExitPermission  = localapi.ExitPermission
	ExitService     = localapi.ExitService
	ExitNoProfile   = localapi.ExitNoProfile
	ExitIdentity    = localapi.ExitIdentity
	ExitTryLater    = localapi.ExitTryLater
	ExitInterrupted = localapi.ExitInterrupted
	ExitTerminated  = localapi.ExitTerminated
)

func trafficCount(t tun.Traffic) TrafficCount {
	c := TrafficCount{Packets: t.Packets, Octets: t.Octets}
	d := t.Drops
	for _, r := range []struct {
		name string
		n    uint64
	}{
		{"no_sa", d.NoSA},
		{"selectors", d.Selectors},
		{"replay", d.Replay},
		{"integrity", d.Integrity},
		{"malformed", d.Malformed},
		{"exhausted", d.Exhausted},
		{"too_big", d.TooBig},
		{"device", d.Device},
		{"send", d.Send},
	} {
		if r.n > 0 {
			if c.Dropped == nil {
				c.Dropped = make(map[string]uint64)
			}
			c.Dropped[r.name] = r.n
		}
	}
	return c
}
