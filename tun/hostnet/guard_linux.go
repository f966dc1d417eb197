package hostnet

import (
	"context"
	"errors"
)

// Guard is a kill switch in force. Its methods may be called from any goroutine, one at a time.
type Guard struct{}

// Protect puts a kill switch in force before the first packet to the gateway: an nftables table of its own in the calling
// thread's network namespace. It holds until Release, whatever happens to the process or to the tunnel, and is replaced
// without a gap by the next Protect with the same ID once its process is dead. [Recover] leaves it alone.
//
// What it is told of is written to a state file in stateDir first, so that [Guards] and [Release] find it. The error
// wraps ErrNoFirewall where nftables is missing, and fs.ErrPermission without CAP_NET_ADMIN; then nothing is in force.
func Protect(ctx context.Context, c GuardConfig, stateDir string) (*Guard, error) {
	return nil, errors.ErrUnsupported
}

// Update replaces what the kill switch does, at one stroke. The ID stays. It is called when the tunnel has its device and
// its networks, and again on each Change of Kind Address or Route, since connected networks are looked up here. After
// an error the kill switch is as it was.
func (g *Guard) Update(ctx context.Context, c GuardConfig) error { return errors.ErrUnsupported }

// Release ends the kill switch. A second call does nothing.
func (g *Guard) Release() error { return errors.ErrUnsupported }

// Guards lists the kill switches of the calling thread's network namespace.
func Guards(stateDir string) ([]GuardState, error) { return nil, errors.ErrUnsupported }

// Release ends the kill switch of that ID that a dead process left; "" ends all of them. One whose process lives stays,
// which is an error if it was named. None of that name is no error.
func Release(stateDir, id string) error { return errors.ErrUnsupported }
