package client_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/client"
)

// Connections are opened, used, made anew and closed at any moment of their lives, four
// at a time, for POSTERN_THRASH, or a few seconds: each ends when it is asked to and not
// before, and nothing stays.
func TestThrash(t *testing.T) {
	length := 5 * time.Second
	if text := os.Getenv("POSTERN_THRASH"); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatal("POSTERN_THRASH: ", err)
		}
	}
	g := startGateway(t, "127.0.0.1:0")
	before := runtime.NumGoroutine()
	var made, up, pages atomic.Int32
	var workers sync.WaitGroup
	for worker := range 4 {
		random := rand.New(rand.NewPCG(firstSeed(t), uint64(worker)))
		workers.Go(func() {
			for end := time.Now().Add(length); time.Now().Before(end) && !t.Failed(); made.Add(1) {
				p := stored(t, g.Addr(), "")
				c := client.New(p, client.Options{Log: slog.New(slog.DiscardHandler), Accompanied: true, Rootless: &client.Rootless{Proxy: "127.0.0.1:0"}})
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- c.Run(ctx) }()
				life := time.After(time.Duration(random.IntN(1500)) * time.Millisecond)
				again := time.After(time.Duration(random.IntN(3000)) * time.Millisecond)
				if thrash(t, c, ended, life, again, &pages) {
					up.Add(1)
				}
				cancel()
				select {
				case err := <-ended:
					if why := (*client.Reason)(nil); err != nil && !(errors.As(err, &why) && why.Code == "cancelled") {
						t.Error("after the end: ", err)
					}
				case <-time.After(time.Minute):
					t.Error("doesn't end in a minute")
				}
			}
		})
	}
	workers.Wait()
	t.Logf("%d connections, %d of them came up, %d pages", made.Load(), up.Load(), pages.Load())
	if up.Load() == 0 || pages.Load() == 0 {
		t.Error("nothing was proved")
	}
	eventually(t, "the gateway forgets all", func() bool { return len(g.Sessions()) == 0 })
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before+20 })
}

// thrash fetches pages for the life of a connection, and says whether it came up.
func thrash(t *testing.T, c *client.Client, ended chan error, life, again <-chan time.Time, pages *atomic.Int32) (up bool) {
	var fetching sync.WaitGroup
	defer fetching.Wait()
	var once sync.Once
	for {
		st, changed := c.Watch()
		if st.State == client.Up {
			up = true
			once.Do(func() {
				for range 2 {
					fetching.Go(func() { fetch(t.Context(), st.Tunnel.Proxy, 5, pages) })
				}
			})
		}
		select {
		case <-changed:
		case <-again:
			c.Reconnect()
		case <-life:
			return up
		case err := <-ended:
			t.Error("ended by itself: ", err)
			ended <- nil
			return up
		}
	}
}

// fetch fetches the page behind the gateway so many times, as far as the tunnel lasts.
func fetch(ctx context.Context, proxy string, times int, pages *atomic.Int32) {
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "socks5", Host: proxy}), DisableKeepAlives: true}
	for range times {
		one, cancel := context.WithTimeout(ctx, time.Second)
		request, _ := http.NewRequestWithContext(one, http.MethodGet, "http://10.20.0.1/", nil)
		if answer, err := transport.RoundTrip(request); err == nil {
			if _, err := io.Copy(io.Discard, answer.Body); err == nil {
				pages.Add(1)
			}
			answer.Body.Close()
		}
		cancel()
	}
}
