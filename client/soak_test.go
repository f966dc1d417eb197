package client_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"postern/client"
	"postern/client/concentrator"
	"postern/client/profile"
	"postern/tun"
	"postern/tun/tuntest"
)

// soaker is a System with this machine's sockets and a device in memory.
type soaker struct {
	machine
}

func (s *soaker) ListenUDP(local netip.AddrPort) (*tun.Carrier, error) {
	return tun.ListenUDP(local, tun.ByRemotePort)
}

// use is what a process has of the machine.
type use struct {
	heap                    uint64
	goroutines, descriptors int
}

func measure() use {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fds, _ := os.ReadDir("/proc/self/fd") // none elsewhere
	return use{m.HeapAlloc, runtime.NumGoroutine(), len(fds)}
}

// For POSTERN_SOAK, such as 30m, a connection with SAs that live for seconds carries
// packets over real sockets, and the process grows in nothing.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("POSTERN_SOAK"))
	if err != nil {
		t.Skip("takes as long as POSTERN_SOAK says: make soak")
	}
	w := &world{t: t, lines: make(map[string]int), began: time.Now()}
	w.log = slog.New(slog.DiscardHandler)
	cfg, err := concentrator.ParseConfig(fmt.Appendf(nil, worldConfig, ""), "soak.conf")
	if err != nil {
		t.Fatal(err)
	}
	w.gateway = &gatewayHost{w: w, served: make(chan error, 1)}
	device := tuntest.New(1400)
	w.gateway.device.Store(device)
	w.gateway.g, err = concentrator.New(cfg, concentrator.Options{
		Port: netip.MustParseAddrPort("127.0.0.1:0"), Device: device, Log: w.logOf("gateway"),
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() { w.gateway.served <- w.gateway.g.Serve(context.Background()) }()
	p, err := profile.Parse(fmt.Appendf(nil, "gateway = \"%v\"\nidentity = \"staff\"\nsecret = %q\nuser = \"alice\"\n"+
		"ike = [\"aes128-sha1-curve25519\"]\nesp = [\"aes128-sha1\"]\n%s", w.gateway.g.Addr(), groupKey, lives(20*time.Second, 10*time.Second)), "soak.toml")
	if err != nil {
		t.Fatal(err)
	}
	system := &soaker{}
	w.laptop = &system.machine
	w.conn = &connection{t: t, ended: make(chan error, 1), log: &safeBuffer{}}
	w.conn.Client = client.New(p, client.Options{Log: w.logOf("client"), System: system})
	ctx, cancel := context.WithCancel(t.Context())
	w.conn.stop = cancel
	go func() { w.conn.ended <- w.conn.Run(ctx) }()
	w.conn.await(client.Up)
	f := w.flow(10 * time.Millisecond)
	time.Sleep(max(length/10, time.Minute))
	before := measure()
	for w.began.Add(length).After(time.Now()) {
		time.Sleep(time.Minute)
		t.Logf("%v: %+v, %d children, %d phase 1s", time.Since(w.began).Round(time.Second), measure(), w.seen("ESP"), w.seen("phase 1 renewed"))
	}
	after := measure()
	f.end()
	f.perfect(t)
	if after.heap > before.heap+before.heap/4+2<<20 || after.goroutines > before.goroutines+12 || after.descriptors > before.descriptors+2 {
		t.Errorf("it grew: %+v, then %+v", before, after)
	}
	t.Logf("before %+v, after %+v", before, after)
	w.end()
}
