//go:build linux

package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"postern/tun"
	"postern/tun/esp/lanes"
)

// A report says what has been since the start.
type report struct {
	Suite, Tier string // Tier: the instructions in use
	Seconds     float64

	Sent, Received             uint64 // inner packets, sealed and opened
	SentOctets, ReceivedOctets uint64 // of them
	Reads, Writes              uint64 // of the device, of any number of packets
	ReadPackets, WrotePackets  uint64
	SentDrops, ReceivedDrops   tun.Drops

	Mallocs uint64 // of the whole program, but for those of reports
	GCs     uint32
	RSS     int // KiB that are in memory now
	MaxRSS  int // and at most
}

var (
	started    = time.Now()
	ownMallocs uint64 // of reports so far
)

func mallocs() (uint64, uint32) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs, m.NumGC
}

// forget has the allocations since the report was taken not count in the next one.
func (r report) forget() {
	now, _ := mallocs()
	ownMallocs = now - r.Mallocs
}

func takeReport(suite string, d *device, s tun.Stats) report {
	allocated, gcs := mallocs()
	return report{
		Suite: suite, Tier: lanes.Used().String(), Seconds: time.Since(started).Seconds(),
		Sent: s.Out.Packets, SentOctets: s.Out.Octets, SentDrops: s.Out.Drops,
		Received: s.In.Packets, ReceivedOctets: s.In.Octets, ReceivedDrops: s.In.Drops,
		Reads: d.reads.Load(), ReadPackets: d.readPackets.Load(),
		Writes: d.writes.Load(), WrotePackets: d.wrotePackets.Load(),
		Mallocs: allocated - ownMallocs, GCs: gcs,
		RSS: memory("VmRSS"), MaxRSS: memory("VmHWM"),
	}
}

// memory is a figure of /proc/self/status, in KiB; 0: it isn't there.
func memory(name string) int {
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name+":" {
			n, _ := strconv.Atoi(f[1])
			return n
		}
	}
	return 0
}

// device counts what a Device reads and writes: a batch is what one call took.
type device struct {
	tun.Device
	reads, readPackets, writes, wrotePackets atomic.Uint64
}

func (d *device) Read(buffers [][]byte, sizes []int, offset int) (int, error) {
	n, err := d.Device.Read(buffers, sizes, offset)
	d.reads.Add(1)
	d.readPackets.Add(uint64(n))
	return n, err
}

func (d *device) Write(buffers [][]byte, offset int) (int, error) {
	d.writes.Add(1)
	d.wrotePackets.Add(uint64(len(buffers)))
	return d.Device.Write(buffers, offset)
}
