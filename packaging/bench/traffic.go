//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"postern/packaging/bench/figures"
)

// The generators of traffic are this program again, in an end of a lab: "bench @ping ADDRESS DURATION".
func runTraffic(ctx context.Context, verb string, args []string) error {
	if len(args) == 0 {
		return errors.New("an address is missing")
	}
	if verb == "sink" {
		return sink(ctx, args[0])
	}
	d, err := time.ParseDuration(args[len(args)-1])
	if err != nil {
		return err
	}
	switch verb {
	case "reach":
		return reach(args[0], d)
	case "ping":
		return ping(args[0], d)
	case "flood":
		size, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		return flood(args[0], size, d)
	}
	return fmt.Errorf("no traffic is called %q", verb)
}

const pingInterval = 5 * time.Millisecond

// Pings says how echo requests fared, in milliseconds.
type pings struct {
	Sent, Received    int
	Mean, Median, Max float64
}

// reach sends echo requests until one is answered.
func reach(address string, limit time.Duration) error {
	for end := time.Now().Add(limit); time.Now().Before(end); {
		p, err := echoes(address, 10*pingInterval)
		if err == nil && p.Received > 0 {
			return nil
		}
		time.Sleep(pingInterval) // there may be no route yet
	}
	return fmt.Errorf("%s: no answer within %v", address, limit)
}

// ping sends echo requests for a while, and prints how they fared.
func ping(address string, d time.Duration) error {
	p, err := echoes(address, d)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(p)
}

func echoes(address string, d time.Duration) (pings, error) {
	c, err := net.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return pings{}, err
	}
	defer c.Close()
	failed := make(chan error, 1)
	sent := 0
	began := time.Now()
	id := os.Getpid() & 0xffff
	go func() {
		to := &net.IPAddr{IP: net.ParseIP(address)}
		for ; time.Since(began) < d; sent++ {
			body := binary.BigEndian.AppendUint64(nil, uint64(time.Since(began)))
			request, _ := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: id, Seq: sent & 0xffff, Data: append(body, make([]byte, 48)...)}}).Marshal(nil)
			if _, err := c.WriteTo(request, to); err != nil {
				failed <- err
				return
			}
			time.Sleep(time.Until(began.Add(time.Duration(sent+1) * pingInterval)))
		}
		failed <- nil
	}()
	var times []float64
	_ = c.SetReadDeadline(began.Add(d + time.Second/2))
	answer := make([]byte, 1500)
	for len(times) < int(d/pingInterval) {
		n, _, err := c.ReadFrom(answer)
		if err != nil {
			break // the deadline: the others are lost
		}
		m, err := icmp.ParseMessage(1, answer[:n])
		if err != nil || m.Type != ipv4.ICMPTypeEchoReply {
			continue
		}
		if e := m.Body.(*icmp.Echo); e.ID == id && len(e.Data) >= 8 {
			took := time.Since(began) - time.Duration(binary.BigEndian.Uint64(e.Data))
			times = append(times, float64(took)/1e6)
		}
	}
	if err := <-failed; err != nil {
		return pings{}, err
	}
	s, sum := figures.Of(times), 0.0
	for _, t := range times {
		sum += t
	}
	return pings{Sent: sent, Received: len(times), Mean: sum / float64(max(1, len(times))), Median: s.Median, Max: s.Most}, nil
}

const floodPort = 7

// flood sends datagrams of so many octets as fast as it can, one a system call as most programs do, and prints how many.
func flood(address string, size int, d time.Duration) error {
	c, err := net.Dial("udp4", net.JoinHostPort(address, strconv.Itoa(floodPort)))
	if err != nil {
		return err
	}
	defer c.Close()
	payload := make([]byte, size)
	sent := 0
	for end := time.Now().Add(d); sent%64 != 0 || time.Now().Before(end); sent++ {
		if _, err := c.Write(payload); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return err
		}
	}
	fmt.Println(sent)
	return nil
}

// sink counts datagrams, and prints how many there were when it is told to end.
func sink(ctx context.Context, address string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(address), Port: floodPort})
	if err != nil {
		return err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if err := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)
	}); err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		c.Close()
	}()
	fmt.Println("ready")
	messages := make([]ipv4.Message, 64)
	for i := range messages {
		messages[i].Buffers = [][]byte{make([]byte, 2048)}
	}
	received, batches := 0, ipv4.NewPacketConn(c)
	for {
		n, err := batches.ReadBatch(messages, 0)
		if err != nil {
			fmt.Println(received)
			return nil
		}
		received += n
	}
}
