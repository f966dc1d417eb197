//go:build linux

package interop

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// The echo service of a lab's hosts.
const echoPort = "7001"

// echo starts the echo service on every host behind the gateway.
func (l *lab) echo() {
	l.t.Helper()
	p := l.inside.start(nil, "@echo", ":"+echoPort)
	l.eventually("the echo service", func() bool { p.running(); return p.said.String() != "" })
}

// echo sends every datagram back until it is killed.
func echo(address string) error {
	c, err := net.ListenPacket("udp4", address)
	if err != nil {
		return err
	}
	os.Stdout.WriteString("ready\n")
	_ = c.(*net.UDPConn).SetReadBuffer(4 << 20)
	b := make([]byte, 2048)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return err
		}
		_, _ = c.WriteTo(b[:n], from)
	}
}

// sendFlood sends numbered datagrams at a rate a second until it is asked to stop,
// waits for those on their way, and tells what came back.
func sendFlood(address string, rate int) error {
	c, err := net.Dial("udp4", address)
	if err != nil {
		return err
	}
	_ = c.(*net.UDPConn).SetReadBuffer(4 << 20)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	received := make(chan flood, 1)
	go func() { received <- receiveFlood(c) }()
	const tick = 5 * time.Millisecond
	began, sent := time.Now(), 0
	t := time.NewTicker(tick)
	b := make([]byte, 100)
	for running := true; running; {
		select {
		case <-stop:
			running = false
		case <-t.C:
			for due := int(time.Since(began) * time.Duration(rate) / time.Second); sent < due; sent++ {
				binary.BigEndian.PutUint64(b, uint64(sent))
				_, _ = c.Write(b)
			}
		}
	}
	time.Sleep(2 * time.Second)
	c.Close()
	f := <-received
	f.Sent = sent
	return json.NewEncoder(os.Stdout).Encode(f)
}

func receiveFlood(c net.Conn) (f flood) {
	seen := make(map[uint64]bool)
	b := make([]byte, 2048)
	last, highest := time.Now(), uint64(0)
	for {
		n, err := c.Read(b)
		if errors.Is(err, net.ErrClosed) {
			return f
		}
		if err != nil {
			continue // what ICMP says of an earlier one
		}
		if n < 8 {
			continue
		}
		number := binary.BigEndian.Uint64(b)
		switch {
		case seen[number]:
			f.Doubled++
			continue
		case number < highest:
			f.Reordered++
		}
		seen[number], highest = true, max(highest, number)
		f.Received++
		f.Longest = max(f.Longest, time.Since(last))
		last = time.Now()
	}
}
