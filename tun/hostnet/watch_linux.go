package hostnet

import (
	"context"
	"errors"
)

// Watch tells of changes of the host's network and of its sleep until ctx ends; then it closes the channel.
//
// Addresses, links, routes and rules are heard through rtnetlink, in the calling thread's network namespace. News are
// told once they settled, and only if addresses or routes differ from those told of last: tunnels of this package and
// their routes aside. Sleep is heard from logind over the system bus, and sleep of which logind says nothing from the
// clocks, within some seconds. Where there is no logind the first Change is a Deaf one; the error is of rtnetlink alone.
//
// Whoever reads the channel slowly gets several changes as one. It must be read, or ctx ended.
func Watch(ctx context.Context) (<-chan Change, error) {
	return nil, errors.ErrUnsupported
}
