package hostcmd

import (
	"context"
	"errors"
	"net/netip"
	"slices"
)

// ErrNoWay says that no route leads to an address.
var ErrNoWay = errors.New("no route leads there")

// there says whether the route that a step adds is in the table.
func there(table []Route, t *Target) bool {
	return t != nil && slices.ContainsFunc(table, func(r Route) bool {
		return r.Dst == t.Dst && (t.Interface == "" || r.Interface == t.Interface) && (!t.Via.IsValid() || r.Via == t.Via)
	})
}

// Way is the route that packets to an address take, as if there were neither our routes nor the interfaces named. Its
// error wraps ErrNoWay where there is none.
//
// Which routes are ours the state files say. Without a folder of these, a route to that very address by way of a router
// is taken for the one to a gateway that we made.
func (h *Host) Way(ctx context.Context, to netip.Addr, except ...string) (Route, error) {
	table, err := h.System.Table(ctx, h.Run)
	if err != nil {
		return Route{}, err
	}
	all, _ := h.records()
	var best Route
	for _, r := range table {
		ours := slices.ContainsFunc(all, func(o *record) bool {
			return o.Interface == r.Interface || slices.ContainsFunc(o.Steps, func(s Step) bool {
				return s.Route != nil && there([]Route{r}, s.Route)
			})
		})
		ours = ours || h.Dir == "" && r.Via.IsValid() && r.Dst.IsSingleIP() && r.Dst.Addr() == to
		if ours || slices.Contains(except, r.Interface) || !r.Dst.Contains(to) {
			continue
		}
		if !best.Dst.IsValid() || r.Dst.Bits() > best.Dst.Bits() || r.Dst.Bits() == best.Dst.Bits() && r.Metric < best.Metric {
			best = r
		}
	}
	if !best.Dst.IsValid() {
		return Route{}, ErrNoWay
	}
	return best, nil
}
