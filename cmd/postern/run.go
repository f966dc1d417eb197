package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"postern/client"
	"postern/client/profile"
)

// runFlags are the flags of run.
type runFlags struct {
	globals
	noPrompt, rootless   bool
	socks                string
	forwards             []string
	secretsFD, answersFD int
	keylog               string
	stateDir             string
}

func runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run FILE|NAME",
		Short: "Connect and stay in the foreground",
		Long: `Connect and stay in the foreground until interrupted.

NAME is a profile in $XDG_CONFIG_HOME/postern/profiles or /etc/postern/profiles.d,
FILE the path of one. The pre-shared key and the password come from --secrets-fd,
from $CREDENTIALS_DIRECTORY/NAME.secret and NAME.password, from the profile or the
files it names, from your keyring ("postern secret"), or else from a person. The secret
of one-time codes is otp_secret in all of these places, the passphrase of a private key
or the PIN of its token key_passphrase.

A gateway whose certificate nothing in the profile vouches for is shown once; when it
is trusted its fingerprint is kept in known_gateways, in the folder --state-dir.

` + answersHelp + `

Signals: INT, TERM and HUP end the connection cleanly, USR1 prints statistics,
USR2 reconnects. Before the first success the command ends at the first refusal;
afterwards it reconnects until stopped.

Exit codes: 0 ended cleanly, 1 other failure, 2 key or password refused, 3 no answer,
4 proposal or identity refused, 5 network set-up failed, 6 input needed and nobody to
ask, 7 profile or option wrong, 8 not permitted, 10 no such profile, 11 another gateway
than the profile demands, 130 and 143 interrupted before the connection was up.`,
		Args:              one("run", "one profile: a name or a file"),
		ValidArgsFunction: completeProfiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.globals = globalsOf(cmd)
			return run(cmd.OutOrStdout(), args[0], &f)
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&f.noPrompt, "no-prompt", false, "never ask; what isn't stored is an error")
	fs.BoolVar(&f.rootless, "rootless", false, "need no privileges: leave the host's network alone and offer a proxy into the tunnel")
	fs.StringVar(&f.socks, "socks", "", "with --rootless: where the SOCKS5 and HTTP proxy listens (default 127.0.0.1:1080)")
	fs.StringArrayVar(&f.forwards, "forward", nil, "with --rootless: a port forward into the tunnel, such as 8080:10.20.0.1:80; may repeat")
	fs.IntVar(&f.secretsFD, "secrets-fd", profile.NoFD, secretsHelp)
	fs.IntVar(&f.answersFD, "answers-fd", profile.NoFD, "a file descriptor on which a program answers what a person would be asked, as JSON lines")
	fs.StringVar(&f.keylog, "keylog", "", "a folder to write all keys to, for Wireshark: ikev1_decryption_table and esp_sa")
	fs.StringVar(&f.stateDir, "state-dir", "", "where to note what must be put back after a crash, and gateways that were trusted at first sight (default $STATE_DIRECTORY, else /var/lib/postern; with --rootless for others than root $XDG_STATE_HOME/postern)")
	return cmd
}

func run(out io.Writer, name string, f *runFlags) error {
	noCoreDumps()
	p, err := loadProfile(name, f.secretsFD, true)
	if err != nil {
		return client.Explain(err)
	}
	o, err := f.options(p.Name)
	if err != nil {
		return err
	}
	defer o.KeyLog.Close()
	var show shower = newJSONLines(out)
	if !f.json {
		s := newScreen(os.Stderr, f.quiet, f.colours(os.Stderr))
		show = s
		if f.answersFD == profile.NoFD {
			o.Ask = s.asking(o.Ask)
		}
	}
	c := client.New(p, o)

	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	watched := make(chan struct{})
	go func() { defer close(watched); watch(ctx, c, show) }()
	stopSignals := handleSignals(c, cancel)
	defer stopSignals()

	err = c.Run(ctx)
	up := show.wasUp()
	var sig signalled
	interrupted := errors.As(context.Cause(ctx), &sig)
	show.show(c.Status())
	cancel(nil)
	<-watched
	notify("STOPPING=1")
	var r *client.Reason
	switch {
	case interrupted && !up:
		return shown{128 + int(sig.Signal.(syscall.Signal))}
	case errors.As(err, &r) && show.explains():
		return shown{r.Exit}
	}
	return err
}

// loadProfile reads the profile and the secrets that belong to it, those in the person's
// keyring too if keyring is true.
func loadProfile(name string, fd int, keyring bool) (*profile.Profile, error) {
	path, err := profile.Find(name)
	if err != nil {
		return nil, err
	}
	p, ignored, err := profile.Open(path)
	if err != nil {
		return nil, err
	}
	tellIgnored(p.Name, ignored)
	sources := profile.Sources{FD: fd, CredentialsDirectory: os.Getenv("CREDENTIALS_DIRECTORY")}
	if keyring {
		sources.Keyring = keyringOf(p.Name)
	}
	return p, sources.Resolve(p)
}

// options are those of a connection with the profile of this name.
func (f *runFlags) options(name string) (client.Options, error) {
	ask, err := asker(f.noPrompt, f.answersFD, f.secretsFD)
	o := client.Options{Ask: ask, StateDir: f.stateDir, Log: f.logger(), EraseSecrets: func() error { return forgetAll(name) }}
	if err != nil {
		return o, err
	}
	if o.StateDir == "" {
		o.StateDir = stateDir(f.rootless)
	}
	if f.rootless {
		proxy := f.socks
		if proxy == "" && len(f.forwards) == 0 {
			proxy = "127.0.0.1:1080"
		}
		o.Rootless = &client.Rootless{Proxy: proxy, Forwards: f.forwards}
	} else if f.socks != "" || len(f.forwards) > 0 {
		return o, usageError{errors.New("--socks and --forward need --rootless")}
	}
	if f.keylog != "" {
		if o.KeyLog, err = client.OpenKeyLog(f.keylog); err != nil {
			return o, usageError{err}
		}
	}
	return o, nil
}

func (f *runFlags) logger() *slog.Logger {
	level := slog.LevelError // a terminal is shown the rest as it happens
	switch {
	case f.verbose:
		level = slog.LevelDebug
	case f.json && !f.quiet:
		level = slog.LevelInfo
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

// stateDir is where the state of the host's network is noted, and which gateways are
// known. A person without privileges has a folder of their own.
func stateDir(rootless bool) string {
	// It outlives a reboot, as a changed /etc/resolv.conf would.
	if d := filepath.SplitList(os.Getenv("STATE_DIRECTORY")); len(d) > 0 {
		return d[0]
	}
	if rootless && os.Geteuid() != 0 {
		state := os.Getenv("XDG_STATE_HOME")
		if !filepath.IsAbs(state) {
			home, err := os.UserHomeDir()
			if err != nil {
				return ""
			}
			state = filepath.Join(home, ".local", "state")
		}
		return filepath.Join(state, "postern")
	}
	return profile.StateFolder()
}

// signalled is why a run ends: the signal.
type signalled struct{ os.Signal }

func (s signalled) Error() string { return fmt.Sprint("signal: ", s.Signal) }

// handleSignals lets signals end, print or reconnect.
func handleSignals(c *client.Client, cancel context.CancelCauseFunc) (stop func()) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, append(endSignals, otherSignals...)...)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				if isOneOf(s, endSignals) {
					cancel(signalled{s})
					continue
				}
				userSignal(c, s)
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(signals); close(done) }
}

func isOneOf(s os.Signal, set []os.Signal) bool {
	for _, o := range set {
		if s == o {
			return true
		}
	}
	return false
}
