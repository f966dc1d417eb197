package xauth

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
)

// Mode Config (draft-dukes-ike-mode-cfg-02, section 3): a client pulls its
// configuration by a REQUEST of attributes without values, or the gateway pushes
// it by a SET, or neither, where the client has a fixed address. What arrives
// first decides.

// Request is what a client tells of itself when it asks for a configuration.
type Request struct {
	Version  string     // APPLICATION_VERSION; empty: "postern"
	Hostname string     // for the gateway's DNS; empty: not told
	Address  netip.Addr // IPv4, which we had and would like to keep; invalid: any
	IPv6     bool       // ask for an IPv6 address, too
	NATTPort bool       // ask for the port of Cisco's own UDP encapsulation
}

// configuration is the REQUEST. Chosen here: vpnc's list, which gateways of all
// makes have answered, Unity or not, without the firewall that it claims to
// have, and with LOCAL_LAN, backup servers and the address's expiry.
func (r Request) configuration() isakmp.Configuration {
	version := r.Version
	if version == "" {
		version = "postern"
	}
	var wanted []byte
	if r.Address.Is4() {
		wanted = r.Address.AsSlice()
	}
	as := []isakmp.Attribute{
		isakmp.TLV(isakmp.AttrInternalIP4Address, wanted),
		isakmp.TLV(isakmp.AttrInternalIP4Netmask, nil),
		isakmp.TLV(isakmp.AttrInternalIP4DNS, nil),
		isakmp.TLV(isakmp.AttrInternalIP4NBNS, nil),
		isakmp.TLV(isakmp.AttrInternalAddressExpiry, nil),
		isakmp.TLV(isakmp.AttrApplicationVersion, []byte(version)),
		isakmp.TLV(isakmp.AttrUnityBanner, nil),
		isakmp.TLV(isakmp.AttrUnitySavePassword, nil),
		isakmp.TLV(isakmp.AttrUnityDefDomain, nil),
		isakmp.TLV(isakmp.AttrUnitySplitDNS, nil),
		isakmp.TLV(isakmp.AttrUnitySplitInclude, nil),
		isakmp.TLV(isakmp.AttrUnityLocalLAN, nil),
		isakmp.TLV(isakmp.AttrUnityPFS, nil),
		isakmp.TLV(isakmp.AttrUnityBackupServers, nil),
	}
	if r.IPv6 {
		as = append(as, isakmp.TLV(isakmp.AttrInternalIP6Address, nil), isakmp.TLV(isakmp.AttrInternalIP6DNS, nil),
			isakmp.TLV(isakmp.AttrInternalIP6Subnet, nil))
	}
	if r.NATTPort {
		as = append(as, isakmp.TLV(isakmp.AttrUnityNATTPort, nil))
	}
	if r.Hostname != "" {
		as = append(as, isakmp.TLV(isakmp.AttrUnityDDNSHostname, []byte(r.Hostname)))
	}
	return isakmp.Configuration{Type: isakmp.CfgRequest, Attributes: as}
}

// Pull returns the configuration that the gateway assigns: one that it pushed,
// or pushes meanwhile, or the answer to our REQUEST, whichever is there first.
func (c *Client) Pull(ctx context.Context, sa *ike.SA, r Request) (*Assigned, error) {
	if a := c.alreadyPushed(); a != nil {
		return a, nil
	}
	if vendorOf(c.cfg.Vendor, sa).pushes {
		select {
		case a := <-c.pushed:
			return a, nil
		case <-sa.Done():
		case <-ctx.Done():
		case <-time.After(pushPatience):
		}
	}
	type answer struct {
		isakmp.Configuration
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answered := make(chan answer, 1)
	// HDR*, HASH, ATTR(REQUEST)  -->  <--  HDR*, HASH, ATTR(REPLY)
	go func() {
		reply, err := sa.Transact(ctx, r.configuration())
		answered <- answer{reply, err}
	}()
	select {
	case a := <-c.pushed:
		cancel()
		<-answered
		return a, nil
	case reply := <-answered:
		if a := c.alreadyPushed(); a != nil {
			return a, nil
		}
		if reply.err != nil {
			return nil, fmt.Errorf("mode config: %w", reply.err)
		}
		return c.read(reply.Configuration), nil
	}
}

// Pushed waits for a configuration that the gateway pushes by itself, or
// returns the one that came. Each is returned once, by Pushed or Pull. Errors:
// the SA's where it ends, ctx's cause.
func (c *Client) Pushed(ctx context.Context, sa *ike.SA) (*Assigned, error) {
	select {
	case a := <-c.pushed:
		return a, nil
	case <-sa.Done():
		return nil, fmt.Errorf("mode config: %w", sa.Err())
	case <-ctx.Done():
		return nil, fmt.Errorf("mode config: %w", context.Cause(ctx))
	}
}

func (c *Client) alreadyPushed() *Assigned {
	select {
	case a := <-c.pushed:
		return a
	default:
		return nil
	}
}

// maxAcked is how many attributes an ACK names. Chosen here.
const maxAcked = 256

// takePush keeps a pushed configuration until somebody wants it; a newer one
// takes its place. The ACK names what was taken, without values
// (draft-dukes-ike-mode-cfg-02, section 3.1).
func (c *Client) takePush(set isakmp.Configuration) *isakmp.Configuration {
	a := c.read(set)
	c.mu.Lock() // two pushes at once
	c.alreadyPushed()
	c.pushed <- a
	c.mu.Unlock()
	ack := &isakmp.Configuration{Type: isakmp.CfgAck, Identifier: set.Identifier}
	for _, v := range set.Attributes[:min(len(set.Attributes), maxAcked)] {
		if !slices.ContainsFunc(ack.Attributes, func(a isakmp.Attribute) bool { return a.Type == v.Type }) {
			ack.Attributes = append(ack.Attributes, isakmp.TLV(v.Type, nil))
		}
	}
	return ack
}

// read reads what the gateway assigns, and says what of it was dropped.
func (c *Client) read(from isakmp.Configuration) *Assigned {
	a, dropped := ParseAssigned(from)
	for _, err := range dropped {
		c.cfg.Log.Warn("the gateway assigns what can't be used", "dropped", err)
	}
	return a
}

// Push tells a client what it is assigned (SET/ACK). What the ACK names isn't
// looked at: clients differ in what they put there.
func Push(ctx context.Context, sa *ike.SA, a *Assigned) error {
	// HDR*, HASH, ATTR(SET)  -->  <--  HDR*, HASH, ATTR(ACK)
	_, err := sa.Transact(ctx, isakmp.Configuration{Type: isakmp.CfgSet, Attributes: a.Attributes(nil)})
	if err != nil {
		return fmt.Errorf("mode config: %w", err)
	}
	return nil
}

// Reply is a gateway's answer to a client's REQUEST: the attributes asked for,
// as far as a has them.
func (a *Assigned) Reply(request isakmp.Configuration) *isakmp.Configuration {
	reply := &isakmp.Configuration{Type: isakmp.CfgReply, Identifier: request.Identifier}
	if len(request.Attributes) > 0 {
		reply.Attributes = a.Attributes(request.Attributes)
	}
	return reply
}
