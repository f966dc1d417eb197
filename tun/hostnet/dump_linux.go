package hostnet

import (
	"errors"

	"github.com/vishvananda/netlink"
)

// dumpTries is how often a list is asked for. Chosen here.
const dumpTries = 20

// whole asks for a list of rtnetlink's until it is of one moment. One that takes several messages, as on a host with many
// containers, is marked where something changed in between (NLM_F_DUMP_INTR, linux/netlink.h): it may lack what was there
// all the time.
func whole[T any](dump func() ([]T, error)) ([]T, error) {
	for n := 1; ; n++ {
		all, err := dump()
		if n == dumpTries || !errors.Is(err, netlink.ErrDumpInterrupted) {
			return all, err
		}
	}
}

func linkList(nl *netlink.Handle) ([]netlink.Link, error) { return whole(nl.LinkList) }

// addrList is of one link; nil: of all.
func addrList(nl *netlink.Handle, link netlink.Link) ([]netlink.Addr, error) {
	return whole(func() ([]netlink.Addr, error) { return nl.AddrList(link, netlink.FAMILY_ALL) })
}

// routeList is of the main table.
func routeList(nl *netlink.Handle, family int) ([]netlink.Route, error) {
	return whole(func() ([]netlink.Route, error) { return nl.RouteList(nil, family) })
}
