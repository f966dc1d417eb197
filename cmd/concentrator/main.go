// Concentrator is a VPN gateway: package client/concentrator on real sockets.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"postern/client/concentrator"
)

// options are the command line.
type options struct {
	config   string
	listen   string
	tun      string
	netstack bool
	example  bool
	verbose  bool
	impair   []string
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "concentrator:", err)
			os.Exit(1)
		}
	}
}

func run(args []string) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.example {
		fmt.Print(concentrator.Example)
		return nil
	}
	if slices.Contains(o.impair, "list") {
		for _, i := range concentrator.Impairments() {
			fmt.Printf("%-25s %s\n", i.Name, i.Effect)
		}
		return nil
	}
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	g, err := open(o, log)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log.Info("ready", "address", g.Addr())
	return g.Serve(ctx)
}

func parse(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("concentrator", flag.ContinueOnError)
	f.StringVar(&o.config, "config", "", "the configuration `file`")
	f.StringVar(&o.listen, "listen", "", "answer at this `address` instead of the file's: with a port, that one UDP port is all")
	f.StringVar(&o.tun, "tun", "", "the `name` of the TUN device to make; without it the system chooses")
	f.BoolVar(&o.netstack, "netstack", false, "no TUN device: an IP stack in this process, with a page and an echo service behind it")
	f.BoolVar(&o.example, "example", false, "print an example of a configuration file")
	f.BoolVar(&o.verbose, "verbose", false, "log every message")
	f.Func("impair", "misbehave on purpose, to try a client: `names` of impairments, separated by commas; \"list\" tells them", func(v string) error {
		o.impair = append(o.impair, strings.Split(v, ",")...)
		return nil
	})
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("what is %q?", f.Arg(0))
	case o.config == "" && !o.example && !slices.Contains(o.impair, "list"):
		return o, errors.New("--config FILE is missing; --example prints one")
	case o.netstack && o.tun != "":
		return o, errors.New("--netstack and --tun exclude each other")
	}
	return o, nil
}

// open makes the gateway that the options describe.
func open(o options, log *slog.Logger) (*concentrator.Gateway, error) {
	data, err := os.ReadFile(o.config)
	if err != nil {
		return nil, err
	}
	cfg, err := concentrator.ParseConfig(data, o.config)
	if err != nil {
		return nil, err
	}
	opts := concentrator.Options{Log: log, Netstack: o.netstack, Impair: o.impair}
	if o.listen != "" {
		if opts.Port, err = netip.ParseAddrPort(o.listen); err != nil {
			a, err := netip.ParseAddr(o.listen)
			if err != nil {
				return nil, fmt.Errorf("--listen %q: wants an address, or address:port", o.listen)
			}
			opts.Listen = []netip.Addr{a}
		}
	}
	// Without netstack there are privileges enough for IP protocol 50.
	opts.RawESP = !o.netstack && !opts.Port.IsValid()
	if !o.netstack {
		if opts.Device, err = concentrator.OpenTUN(o.tun, cfg, 0); err != nil {
			return nil, err
		}
	}
	g, err := concentrator.New(cfg, opts)
	if err != nil && opts.Device != nil {
		_ = opts.Device.Close()
	}
	return g, err
}
