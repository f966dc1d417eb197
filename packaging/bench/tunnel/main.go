//go:build linux

// Tunnel is one end of an ESP tunnel with keys that both ends know beforehand: the data plane of the product without its
// IKE, for measurements only.
//
//	tunnel -suite aes128-sha1 -local 192.0.2.1 -remote 192.0.2.2 -name esp0 -mtu 1400 [-raw] [-profile cpu.out]
//
// It makes the TUN device and leaves addresses and routes to whoever started it. When it is ready it prints "ready"; at
// SIGUSR1, and when SIGINT or SIGTERM ends it, one line of JSON (see report). Built with the tag bench it also has the
// suite "null", which neither encrypts nor authenticates: what remains is the cost of moving packets.
package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"

	"postern/tun"
	"postern/tun/esp"
	"postern/tun/esp/lanes"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Options are the flags.
type options struct {
	suite         esp.Suite
	local, remote netip.Addr
	name          string
	mtu           int
	raw           bool
	profile       string
}

func parseFlags() (o options, err error) {
	suite := flag.String("suite", "aes128-sha1", "what protects the packets")
	local := flag.String("local", "", "this end's outer `address`")
	remote := flag.String("remote", "", "the other end's outer `address`")
	flag.StringVar(&o.name, "name", "esp0", "of the TUN device")
	flag.IntVar(&o.mtu, "mtu", 1400, "of the TUN device, in octets")
	flag.BoolVar(&o.raw, "raw", false, "IP protocol 50 instead of UDP")
	tier := flag.String("tier", "", "the `instructions` that may be used: pure, avx2, avx512 (default: the best of this CPU)")
	flag.StringVar(&o.profile, "profile", "", "a CPU profile goes to this `file`")
	flag.Parse()
	var errs [4]error
	o.suite, errs[0] = suiteOf(*suite)
	o.local, errs[1] = netip.ParseAddr(*local)
	o.remote, errs[2] = netip.ParseAddr(*remote)
	errs[3] = setTier(*tier)
	return o, errors.Join(errs[:]...)
}

// setTier chooses a tier by its name.
func setTier(name string) error {
	for _, t := range []lanes.Tier{lanes.Pure, lanes.AVX2, lanes.AVX512} {
		if t.String() == name {
			return lanes.SetTier(t)
		}
	}
	if name != "" {
		return fmt.Errorf("no tier is called %q", name)
	}
	return nil
}

func run() error {
	o, err := parseFlags()
	if err != nil {
		return err
	}
	system, err := tun.OpenTUN(o.name, o.mtu)
	if err != nil {
		return err
	}
	dev := &device{Device: system}
	t := tun.New(dev)
	c, err := openCarrier(o)
	if err != nil {
		return err
	}
	pair, err := o.pair(c)
	if err != nil {
		return err
	}
	if err := t.Add(pair); err != nil {
		return err
	}
	c.Attach(t)
	if o.profile != "" {
		f, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	failed := make(chan error, 2)
	go func() { failed <- t.Serve() }()
	go func() { failed <- c.serve() }()
	fmt.Println("ready")
	err = untilTold(failed, func() error {
		r := takeReport(o.suite.String(), dev, t.Stats())
		defer r.forget()
		return json.NewEncoder(os.Stdout).Encode(r)
	})
	return errors.Join(err, t.Close(), c.Close())
}

// untilTold reports at each signal, and ends with the one that asks for it.
func untilTold(failed <-chan error, report func() error) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGINT, syscall.SIGTERM)
	for {
		select {
		case s := <-signals:
			if err := report(); err != nil || s != syscall.SIGUSR1 {
				return err
			}
		case err := <-failed:
			return fmt.Errorf("a pump ended: %w", err)
		}
	}
}

// A carrier is what both kinds of socket have in common.
type carrier interface {
	Attach(*tun.Tunnel)
	SendESP(packets [][]byte, to tun.Path) error
	Close() error
	serve() error
}

type udp struct{ *tun.Carrier }

func (u udp) serve() error { return u.Serve(func([]byte, tun.Path) {}) }

type raw struct{ *tun.RawESP }

func (r raw) serve() error { return r.Serve() }

// port is where UDP encapsulated ESP goes (RFC 3948).
const port = 4500

func openCarrier(o options) (carrier, error) {
	if o.raw {
		r, err := tun.ListenRawESP(o.local)
		return raw{r}, err
	}
	c, err := tun.ListenUDP(netip.AddrPortFrom(o.local, port), tun.Encapsulated)
	return udp{c}, err
}

// pair is the one pair of associations, for every IPv4 packet. The SPI of a direction is that of its receiver, whose
// keys follow from it.
func (o options) pair(c carrier) (*tun.Pair, error) {
	in, errIn := o.inbound()
	out, errOut := o.outbound()
	to := tun.Path{
		Local:  netip.AddrPortFrom(o.local, port),
		Remote: netip.AddrPortFrom(o.remote, port),
		Marker: true,
	}
	all := []tun.Selector{{Prefix: netip.PrefixFrom(netip.IPv4Unspecified(), 0)}}
	return &tun.Pair{
		In: in, Out: out, Local: all, Remote: all,
		Send: func(packets [][]byte) error { return c.SendESP(packets, to) },
	}, errors.Join(errIn, errOut)
}

func (o options) inbound() (*esp.Inbound, error) {
	spi := spiOf(o.local)
	encryption, integrity := o.keys(spi)
	return esp.NewInbound(o.suite, spi, encryption, integrity)
}

func (o options) outbound() (*esp.Outbound, error) {
	spi := spiOf(o.remote)
	encryption, integrity := o.keys(spi)
	return esp.NewOutbound(o.suite, spi, encryption, integrity)
}

// spiOf is an SPI for what this address receives: its last four octets.
func spiOf(a netip.Addr) uint32 {
	octets := a.AsSlice()
	return binary.BigEndian.Uint32(octets[len(octets)-4:])
}

// keys are no secret: they count up from the SPI.
func (o options) keys(spi uint32) (encryption, integrity []byte) {
	e, i := o.suite.KeyLengths()
	octets := make([]byte, e+i)
	for n := range octets {
		octets[n] = byte(spi) + byte(n)*37
	}
	return octets[:e], octets[e:]
}
