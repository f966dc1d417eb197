//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How long each kind of traffic lasts.
const (
	tcpTime   = 3 * time.Second
	floodTime = 1500 * time.Millisecond
	idleTime  = 1 * time.Second
	loadTime  = 1500 * time.Millisecond
)

// A result is one candidate in one round.
type result struct {
	Candidate string
	Round     int
	Error     string `json:",omitempty"` // why it didn't run to its end

	Stream stream           // TCP, one flow from the client to the gateway
	Floods map[string]flows `json:",omitempty"` // UDP, by octets of payload
	Idle   *pings           `json:",omitempty"`
	Loaded *pings           `json:",omitempty"` // while TCP flows
	Tier   string           `json:",omitempty"` // the instructions of postern's data plane
	RSS    int              // KiB of the client, after TCP
	Load   float64          // the machine's load average of a minute, before
	Steal  float64          // share of the time of all cores that the host took, of 1
}

// A stream is what one TCP flow did.
type stream struct {
	Gbits, Octets               float64
	Retransmits                 int
	CPUClient, CPUGateway       float64 // seconds of the tunnel's processes
	BatchClient, BatchGateway   float64 // packets a read, packets a write of the device
	AllocsClient, AllocsGateway float64 // per 1,000 packets
}

// Flows are what a flood did.
type flows struct {
	Sent, Delivered       float64
	CPUClient, CPUGateway float64
}

// perGB is CPU seconds per 10^9 octets of payload, of the client and of both ends.
func (s stream) perGB() (client, both float64) {
	return s.CPUClient / s.Octets * 1e9, (s.CPUClient + s.CPUGateway) / s.Octets * 1e9
}

// perPacket is CPU seconds of both ends per 10^6 delivered packets.
func (f flows) perPacket() float64 { return (f.CPUClient + f.CPUGateway) / f.Delivered * 1e6 }

// measure runs a candidate in a lab of its own.
func measure(ctx context.Context, c candidate) (r result) {
	r.Load = loadAverage()
	before := readMachine()
	if err := measureIn(ctx, c, &r); err != nil {
		r.Error = err.Error()
	}
	r.Steal = readMachine().stealSince(before)
	return r
}

func measureIn(ctx context.Context, c candidate, r *result) error {
	l, err := newLab(ctx)
	if err != nil {
		return err
	}
	defer l.close()
	t, err := c.up(l)
	if err != nil {
		return err
	}
	if _, err := l.traffic(l.client, "reach", t.target, patience.String()); err != nil {
		return err
	}
	if c.thorough {
		if r.Idle, err = l.pings(t.target, idleTime); err != nil {
			return err
		}
	}
	if err := l.measureStream(&t, &r.Stream); err != nil {
		return err
	}
	r.Tier = t.tier
	r.RSS = t.client.rss()
	if !c.thorough {
		return nil
	}
	if r.Loaded, err = l.pingsUnderLoad(t.target); err != nil {
		return err
	}
	r.Floods = map[string]flows{}
	for _, size := range []string{"64", "1200"} {
		f, err := l.measureFlood(t, size)
		if err != nil {
			return err
		}
		r.Floods[size] = f
	}
	return nil
}

// traffic runs a generator in an end.
func (l *lab) traffic(e *end, verb string, args ...string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	return e.output(2*patience, append([]string{self, "@" + verb}, args...)...)
}

func (l *lab) pings(target string, d time.Duration) (*pings, error) {
	out, err := l.traffic(l.client, "ping", target, d.String())
	if err != nil {
		return nil, err
	}
	p := new(pings)
	if err := json.Unmarshal([]byte(out), p); err != nil {
		return nil, err
	}
	if p.Received == 0 {
		return nil, errors.New("no ping was answered")
	}
	return p, nil
}

// pingsUnderLoad pings while a TCP flow fills the tunnel.
func (l *lab) pingsUnderLoad(target string) (*pings, error) {
	flow := make(chan error, 1)
	go func() { _, err := l.iperf(target, loadTime+time.Second); flow <- err }()
	sleep(l.ctx, time.Second*7/10) // until the flow is at its rate
	p, err := l.pings(target, loadTime)
	return p, errors.Join(err, <-flow)
}

// iperf sends TCP to the gateway's end.
func (l *lab) iperf(target string, d time.Duration) (stream, error) {
	server, err := l.gateway.startReady(nil, says("Server listening"), "iperf3", "-s", "-1", "--forceflush")
	if err != nil {
		return stream{}, err
	}
	out, err := l.client.output(d+patience, "iperf3", "-J", "-c", target, "-t", strconv.FormatFloat(d.Seconds(), 'f', -1, 64))
	if err != nil {
		server.stop()
		return stream{}, err
	}
	_ = server.wait(patience)
	return parseIperf(out)
}

// parseIperf reads what iperf3 -J said.
func parseIperf(text string) (stream, error) {
	var said struct {
		Error string
		End   struct {
			Sent struct {
				Retransmits int
			} `json:"sum_sent"`
			Received struct {
				Bytes float64
				Rate  float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		}
	}
	if err := json.Unmarshal([]byte(text), &said); err != nil {
		return stream{}, fmt.Errorf("iperf3: %w", err)
	}
	if said.Error != "" || said.End.Received.Bytes == 0 {
		return stream{}, fmt.Errorf("iperf3: nothing arrived: %s", said.Error)
	}
	return stream{Gbits: said.End.Received.Rate / 1e9, Octets: said.End.Received.Bytes, Retransmits: said.End.Sent.Retransmits}, nil
}

func (l *lab) measureStream(t *tunnel, s *stream) error {
	clientBefore, gatewayBefore, err := t.reports()
	if err != nil {
		return err
	}
	cpuClient, cpuGateway := t.client.cpu(), t.gateway.cpu()
	*s, err = l.iperf(t.target, tcpTime)
	if err != nil {
		return err
	}
	s.CPUClient, s.CPUGateway = t.client.cpu()-cpuClient, t.gateway.cpu()-cpuGateway
	client, gateway, err := t.reports()
	if err != nil || !t.counting {
		return err
	}
	t.tier = client.Tier
	s.BatchClient = (client.ReadPackets - clientBefore.ReadPackets) / (client.Reads - clientBefore.Reads)
	s.BatchGateway = (gateway.WrotePackets - gatewayBefore.WrotePackets) / (gateway.Writes - gatewayBefore.Writes)
	s.AllocsClient, s.AllocsGateway = client.allocsSince(clientBefore), gateway.allocsSince(gatewayBefore)
	return nil
}

// A report is what is read of packaging/bench/tunnel's.
type report struct {
	Tier                 string
	Sent, Received       float64
	Reads, ReadPackets   float64
	Writes, WrotePackets float64
	Mallocs              float64
}

// allocsSince is per 1,000 packets of both directions.
func (r report) allocsSince(b report) float64 {
	return (r.Mallocs - b.Mallocs) / (r.Sent + r.Received - b.Sent - b.Received) * 1000
}

// reports asks both ends for a report, if they give any.
func (t tunnel) reports() (client, gateway report, err error) {
	if !t.counting {
		return
	}
	client, errClient := t.client.report()
	gateway, errGateway := t.gateway.report()
	return client, gateway, errors.Join(errClient, errGateway)
}

func (p *process) report() (r report, err error) {
	known := strings.Count(p.said.String(), "\n")
	p.signal(syscall.SIGUSR1)
	for end := time.Now().Add(patience); time.Now().Before(end) && !p.hasEnded(); time.Sleep(time.Millisecond) {
		if lines := strings.SplitAfter(p.said.String(), "\n"); len(lines) > known+1 {
			return r, json.Unmarshal([]byte(lines[known]), &r)
		}
	}
	return r, fmt.Errorf("%s: no report: %s", p.name, p.lastWords())
}

func (l *lab) measureFlood(t tunnel, size string) (f flows, err error) {
	self, err := os.Executable()
	if err != nil {
		return f, err
	}
	sink, err := l.gateway.startReady(nil, says("ready"), self, "@sink", t.target)
	if err != nil {
		return f, err
	}
	cpuClient, cpuGateway := t.client.cpu(), t.gateway.cpu()
	out, err := l.traffic(l.client, "flood", t.target, size, floodTime.String())
	if err != nil {
		return f, err
	}
	sleep(l.ctx, 200*time.Millisecond) // for what is on its way
	f.CPUClient, f.CPUGateway = t.client.cpu()-cpuClient, t.gateway.cpu()-cpuGateway
	sink.stop()
	f.Sent, err = strconv.ParseFloat(strings.TrimSpace(out), 64)
	lines := strings.Fields(sink.said.String())
	delivered, errSink := strconv.ParseFloat(lines[len(lines)-1], 64)
	f.Delivered = delivered
	if err == nil && errSink == nil && delivered == 0 {
		err = errors.New("flood: nothing arrived")
	}
	return f, errors.Join(err, errSink)
}

// line is a result in one line, for somebody who watches.
func (r result) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "round %d  %-15s", r.Round, r.Candidate)
	if r.Error != "" {
		return b.String() + "  FAILED: " + r.Error
	}
	client, both := r.Stream.perGB()
	fmt.Fprintf(&b, " %6.2f Gbit/s  CPU s/GB %6.2f client %6.2f both  load %.1f steal %.0f %%", r.Stream.Gbits, client, both, r.Load, r.Steal*100)
	if r.Stream.BatchClient > 0 {
		fmt.Fprintf(&b, "  batch %.1f, %.1f  allocs %.2f, %.2f", r.Stream.BatchClient, r.Stream.BatchGateway, r.Stream.AllocsClient, r.Stream.AllocsGateway)
	}
	if r.Idle != nil {
		fmt.Fprintf(&b, "  ping %.2f, %.2f ms", r.Idle.Mean, r.Loaded.Mean)
	}
	for _, size := range []string{"64", "1200"} {
		if f, ok := r.Floods[size]; ok {
			fmt.Fprintf(&b, "  %s B %.2f us %.0f kpps", size, f.perPacket(), f.Delivered/floodTime.Seconds()/1000)
		}
	}
	return b.String()
}
