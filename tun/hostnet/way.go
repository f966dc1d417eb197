package hostnet

import "net/netip"

// Way is how packets to a gateway leave the host.
type Way struct {
	Source    netip.Addr // the local address that they come from, unless the sender's socket chose another
	Interface string
	Via       netip.Addr // the next hop; invalid: the gateway is on the link itself
	MTU       int        // octets of an outer IP packet: the interface's MTU, or less where the kernel knows the path
	Local     bool       // the gateway is this host
}

// SourceFor is [WayTo]'s Source: compare it before and after a [Change] to know whether the outer address changed.
func SourceFor(gateway netip.Addr, except ...string) (netip.Addr, error) {
	w, err := WayTo(gateway, except...)
	return w.Source, err
}
