package hostnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// linkStep sets the MTU of the TUN device and brings it up. It gets an alias before, which tells watchers that it is ours.
type linkStep struct {
	Index       int    `json:"index"`
	Name        string `json:"name"`
	MTU         int    `json:"mtu"`
	MTUBefore   int    `json:"mtu_before"`
	UpBefore    bool   `json:"up_before"`
	AliasBefore string `json:"alias_before,omitempty"`
}

// leastIPv6 is the MTU below which the kernel takes IPv6 off a link (RFC 8200, section 5).
const leastIPv6 = 1280

func planLink(link netlink.Link, mtu int, ipv6 bool, old *record) step {
	at := link.Attrs()
	switch {
	case mtu == 0:
		mtu = at.MTU
	case ipv6:
		mtu = max(mtu, leastIPv6)
	}
	s := &linkStep{at.Index, at.Name, mtu, at.MTU, at.Flags&net.FlagUp != 0, at.Alias}
	for _, o := range old.Steps {
		if o.Link != nil && o.Link.Index == s.Index {
			s.MTUBefore, s.UpBefore, s.AliasBefore = o.Link.MTUBefore, o.Link.UpBefore, o.Link.AliasBefore
		}
	}
	return step{Link: s}
}

func (s *linkStep) String() string { return fmt.Sprintf("%s up, MTU %d", s.Name, s.MTU) }

func (s *linkStep) do(_ context.Context, h *host) error {
	link, err := h.nl.LinkByIndex(s.Index)
	if err != nil {
		return err
	}
	if err := h.nl.LinkSetAlias(link, ourAlias); err != nil {
		return fmt.Errorf("alias: %w", err)
	}
	if s.MTU != link.Attrs().MTU {
		if err := h.nl.LinkSetMTU(link, s.MTU); err != nil {
			return fmt.Errorf("MTU: %w", err)
		}
	}
	return h.nl.LinkSetUp(link)
}

func (s *linkStep) undo(h *host) error {
	link, err := h.nl.LinkByIndex(s.Index)
	if gone(err) || err == nil && link.Attrs().Name != s.Name {
		return nil
	}
	if err != nil {
		return err
	}
	if !s.UpBefore {
		if err := h.nl.LinkSetDown(link); err != nil {
			return err
		}
	}
	if link.Attrs().MTU == s.MTU && s.MTU != s.MTUBefore {
		if err := h.nl.LinkSetMTU(link, s.MTUBefore); err != nil {
			return err
		}
	}
	if link.Attrs().Alias == ourAlias {
		return h.nl.LinkSetAlias(link, s.AliasBefore)
	}
	return nil
}

// addressStep gives the TUN device an inner address.
type addressStep struct {
	Link    int          `json:"link"` // index
	Address netip.Prefix `json:"address"`
}

// planAddresses lists the addresses that the link doesn't have but by us, each with its full length.
func (h *host) planAddresses(link netlink.Link, want []netip.Prefix, old *record) ([]step, error) {
	have, err := addrList(h.nl, link)
	if err != nil {
		return nil, fmt.Errorf("addresses of %s: %w", link.Attrs().Name, err)
	}
	seen := map[netip.Addr]bool{}
	for _, a := range have {
		ip, _ := netip.AddrFromSlice(a.IP)
		seen[ip.Unmap()] = true
	}
	for _, o := range old.Steps {
		if o.Address != nil {
			delete(seen, o.Address.Address.Addr())
		}
	}
	var steps []step
	for _, p := range want {
		a := p.Addr().Unmap()
		if !a.IsValid() || a.IsUnspecified() || a.IsLoopback() || a.IsMulticast() {
			return nil, fmt.Errorf("inner address %s: not an address of a host", p)
		}
		if !seen[a] {
			steps = append(steps, step{Address: &addressStep{link.Attrs().Index, netip.PrefixFrom(a, a.BitLen())}})
		}
		seen[a] = true
	}
	return steps, nil
}

func (s *addressStep) String() string { return fmt.Sprintf("address %s", s.Address) }

func (s *addressStep) netlink() *netlink.Addr {
	a := &netlink.Addr{IPNet: ipNet(s.Address), LinkIndex: s.Link}
	if s.Address.Addr().Is6() {
		a.Flags = unix.IFA_F_NODAD // nobody else is on the link to ask
	}
	return a
}

// do adds the address; one that is there is the one we added before.
func (s *addressStep) do(_ context.Context, h *host) error {
	err := h.nl.AddrAdd(nil, s.netlink())
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}

func (s *addressStep) undo(h *host) error {
	err := h.nl.AddrDel(nil, s.netlink())
	if gone(err) {
		return nil
	}
	return err
}

// gone says whether err means that what was to be undone isn't there: the device, its address, a route.
func gone(err error) bool {
	var none netlink.LinkNotFoundError
	return errors.As(err, &none) || errors.Is(err, unix.ENODEV) || errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.ESRCH)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
