package radius

import (
	"context"
	"sync"
	"time"
)

// remembered is how long an answer is kept for a repeated request. Chosen here.
const remembered = 10 * time.Second

// cache gives the same answer to who asks the same again, also while the first is
// still on its way: a one-time code is good for one request only. Safe for concurrent
// use.
type cache struct {
	mu    sync.Mutex
	calls map[[32]byte]*call
}

type call struct {
	done   chan struct{} // closed when what follows is set
	answer Answer
	err    error
}

// do returns ask's answer, or that of the same call before. Errors aren't kept.
func (c *cache) do(ctx context.Context, key [32]byte, ask func() (Answer, error)) (Answer, error) {
	c.mu.Lock()
	if k := c.calls[key]; k != nil {
		c.mu.Unlock()
		select {
		case <-k.done:
			return k.answer, k.err
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if c.calls == nil {
		c.calls = make(map[[32]byte]*call)
	}
	k := &call{done: make(chan struct{})}
	c.calls[key] = k
	c.mu.Unlock()

	k.answer, k.err = ask()
	close(k.done)
	if k.err != nil {
		c.forget(key)
	} else {
		time.AfterFunc(remembered, func() { c.forget(key) })
	}
	return k.answer, k.err
}

func (c *cache) forget(key [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.calls, key)
}
