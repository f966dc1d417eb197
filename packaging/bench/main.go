//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"postern/packaging/bench/figures"
)

func main() {
	os.Setenv("LC_ALL", "C")
	os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && strings.HasPrefix(args[0], "@") {
		return runTraffic(ctx, args[0][1:], args[1:])
	}
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	rounds := flags.Int("rounds", 7, "how often every candidate is run")
	names := flags.String("candidates", "", "only these, separated by commas or blanks (default: all)")
	bin := flags.String("bin", "bin", "the `folder` of the programs tunnel, wireguard, postern and concentrator")
	tier := flags.String("tier", "", "the `instructions` that candidates of ours may use: pure, avx2, avx512 (default: the best)")
	out := flags.String("out", "", "write tables, picture and ratios into this `folder`")
	from := flags.String("from", "", "measure nothing; read the rounds of this `file`, a rounds.json")
	commit := flags.String("commit", "", "what is measured")
	flags.Parse(args)

	if *from != "" {
		s, err := readSession(*from)
		if err != nil {
			return err
		}
		return publish(s, *out)
	}
	chosen, skipped, err := choose(allCandidates(*bin, *tier), *names)
	if err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root; remedy: sudo -v && make bench")
	}
	sweep()
	s := &session{Machine: figures.Describe(*commit), Skipped: skipped}
	for _, line := range skipped {
		fmt.Println("skipped:", line)
	}
	if err := s.measureAll(ctx, chosen, *rounds); err != nil {
		return err
	}
	return publish(s, *out)
}

// measureAll runs all rounds. The order turns by two places a round, so that over the rounds each candidate has stood
// early and late.
func (s *session) measureAll(ctx context.Context, chosen []candidate, rounds int) error {
	for _, c := range chosen {
		s.Candidates = append(s.Candidates, described{c.name, c.what, c.ours})
	}
	for round := range rounds {
		for i := range chosen {
			c := chosen[(i+2*round)%len(chosen)]
			r := measure(ctx, c)
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			r.Candidate, r.Round = c.name, round+1
			fmt.Println(r.line())
			s.Machine.Tier = cmp.Or(r.Tier, s.Machine.Tier)
			s.Results = append(s.Results, r)
		}
	}
	return nil
}

// publish prints the tables, and writes them, the picture and the ratios into a folder if there is one.
func publish(s *session, folder string) error {
	fmt.Println()
	fmt.Println(s.tables())
	if folder == "" {
		return nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	err := errors.Join(
		figures.WriteJSON(filepath.Join(folder, "rounds.json"), s),
		os.WriteFile(filepath.Join(folder, "table.md"), []byte("# What `make bench` measured\n\n"+s.tables()), 0o644),
		os.WriteFile(filepath.Join(folder, "rates.svg"), []byte(s.picture()), 0o644),
		s.mergeRatios(filepath.Join(folder, "ratios.json")),
	)
	giveBack(folder)
	return err
}

// giveBack makes what was written the property of the person behind sudo.
func giveBack(folder string) {
	uid, errUser := strconv.Atoi(os.Getenv("SUDO_UID"))
	gid, errGroup := strconv.Atoi(os.Getenv("SUDO_GID"))
	if errUser != nil || errGroup != nil {
		return
	}
	written, _ := filepath.Glob(filepath.Join(folder, "*"))
	for _, path := range append(written, folder) {
		_ = os.Lchown(path, uid, gid)
	}
}
