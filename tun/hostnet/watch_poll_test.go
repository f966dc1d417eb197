//go:build !linux

package hostnet

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var view, nap atomic.Int64
		out := make(chan Change, 8)
		go poll(ctx, "0", func() (string, error) {
			time.Sleep(time.Duration(nap.Swap(0))) // as if the host slept
			return strconv.FormatInt(view.Load(), 10), nil
		}, out)
		time.Sleep(10 * pollPeriod)
		if len(out) > 0 {
			t.Errorf("told of %v", (<-out).Kind)
		}
		view.Store(1)
		if c := <-out; c.Kind != Address {
			t.Errorf("told of %v", c.Kind)
		}
		nap.Store(int64(time.Hour))
		if c := <-out; c.Kind != Resume || c.Slept < time.Hour-2*pollPeriod || c.Slept > time.Hour+2*pollPeriod {
			t.Errorf("told of %v, %v", c.Kind, c.Slept)
		}
		cancel()
		if _, ok := <-out; ok {
			t.Error("told of more")
		}
	})
}

func TestLookAtAddresses(t *testing.T) {
	if _, err := lookAtAddresses(); err != nil {
		t.Error(err)
	}
}
