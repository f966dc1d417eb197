package hostnet

import (
	"errors"
	"net/netip"
)

// WayTo says how packets to a gateway would leave the host now, if no tunnel of this package were up: the routes that
// [Apply] made don't count, so that the answer changes when the default route does. It takes no privilege, and belongs to
// the calling thread's network namespace. The error is unix.ENETUNREACH, wrapped, where there is no way.
func WayTo(gateway netip.Addr) (Way, error) { return Way{}, errors.ErrUnsupported }
