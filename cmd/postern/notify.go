package main

import (
	"context"
	"net"
	"os"
	"strconv"
	"time"
)

// notify tells the service manager how we are (sd_notify(3)); without one it does
// nothing. A service manager that doesn't listen is no reason to end.
func notify(state string) {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return
	}
	if address[0] == '@' { // an abstract socket
		address = "\x00" + address[1:]
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(state))
}

// watchdogPeriod is how often the service manager wants to hear that we live
// (sd_watchdog_enabled(3)); 0: it doesn't.
func watchdogPeriod() time.Duration {
	us, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	pid := os.Getenv("WATCHDOG_PID")
	if err != nil || us <= 0 || us > int64(24*time.Hour/time.Microsecond) || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	return time.Duration(us) * time.Microsecond
}

// keepWatched says that we live, twice a period, as often as alive returns. One that
// doesn't return is what the service manager's watchdog is for.
func keepWatched(ctx context.Context, alive func()) {
	period := watchdogPeriod()
	if period == 0 {
		return
	}
	t := time.NewTicker(period / 2)
	defer t.Stop()
	for {
		alive()
		notify("WATCHDOG=1")
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}
