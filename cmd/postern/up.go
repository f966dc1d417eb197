package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"postern/client"
	"postern/client/localapi"
	"postern/client/person"
	"postern/client/profile"
	"postern/client/prompt"
)

// upFlags are the flags of up.
type upFlags struct {
	globals
	wait                 time.Duration
	noPrompt             bool
	user                 string
	secretsFD, answersFD int
	socks                string
	forwards             []string
}

func upCommand() *cobra.Command {
	var f upFlags
	cmd := &cobra.Command{
		Use:     "up NAME|FILE",
		Aliases: []string{"connect"},
		Short:   "Connect",
		Long: `Connect, and come back when the connection is up or has failed. The service keeps it,
and makes it anew when it breaks, until "postern down".

NAME is a profile of yours or of the system's ("postern list" shows both), FILE the
path of one. Your own profile, the files it names and what your keyring has of it are
read by this command; the service opens none of your files. What isn't stored is asked.

The connection goes on when the time of --wait is over (exit code 3). Ctrl-C before it is
up cancels it.

` + answersHelp + `

Exit codes: 0 up, 1 other failure, 2 key or password refused, 3 no answer, 4 proposal
or identity refused, 5 network set-up failed, 6 input needed and nobody to ask, 7 profile
or option wrong, 8 not permitted, 9 the service isn't running, 10 no such profile,
11 another gateway than the profile demands, 75 try later, 130 and 143 interrupted.`,
		Example: `  postern up office
  postern up ./office.toml --wait 30s
  pass office | sed 's/^/password=/' | postern up office --no-prompt --secrets-fd 0`,
		Args:              one("up", "one profile: a name or a file"),
		ValidArgsFunction: completeProfiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.globals = globalsOf(cmd)
			return up(cmd, args[0], &f)
		},
	}
	fs := cmd.Flags()
	fs.DurationVar(&f.wait, "wait", 90*time.Second, "how long to wait until it is up, questions not counted; 0 comes back at once")
	fs.BoolVar(&f.noPrompt, "no-prompt", false, "never ask; what isn't stored is an error")
	fs.StringVar(&f.user, "user", "", "log in as this user, whatever the profile says")
	fs.IntVar(&f.secretsFD, "secrets-fd", profile.NoFD, secretsHelp)
	fs.IntVar(&f.answersFD, "answers-fd", profile.NoFD, "a file descriptor on which a program answers what a person would be asked, as JSON lines")
	fs.StringVar(&f.socks, "socks", "", "where the SOCKS5 and HTTP proxy listens, of a service without privileges")
	fs.StringArrayVar(&f.forwards, "forward", nil, "a port forward into the tunnel, such as 8080:10.20.0.1:80, likewise; may repeat")
	return cmd
}

const secretsHelp = "a file descriptor to read secret=…, password=…, otp_secret=…, key_passphrase=… and pap_auth_secret=… lines from"

func up(cmd *cobra.Command, name string, f *upFlags) error {
	noCoreDumps()
	if f.wait < 0 {
		return usageError{errors.New("--wait wants a time like 30s, or 0")}
	}
	ask, err := asker(f.noPrompt, f.answersFD, f.secretsFD)
	if err != nil {
		return err
	}
	r, p, err := connectRequest(name, f)
	if err != nil {
		return client.Explain(err)
	}
	defer r.Clear()
	api := f.service()
	defer api.Close()
	show, ask := f.shower(cmd, ask)
	ctx, stop := interruptible()
	defer stop()
	reply, err := api.Connect(ctx, *r)
	if err != nil {
		return interrupted(ctx, err)
	}
	if f.wait == 0 {
		if !f.quiet && !f.json {
			fmt.Fprintf(cmd.ErrOrStderr(), "Connecting in the background; see: postern status %s\n", localapi.Word(nameOf(r)))
		}
		return nil
	}
	typed := &typed{}
	defer typed.clear()
	w := &following{api: api, id: reply.ID, name: nameOf(r), show: show, ask: typed.remembering(ask), wait: f.wait}
	if f.verbose && !f.json {
		w.log = cmd.ErrOrStderr()
	}
	st, err := w.untilUp(ctx)
	if err != nil {
		return err
	}
	switch {
	case st.VPN5000 != nil && !st.VPN5000.SaveSecrets:
		return forgetAll(nameOf(r))
	case p != nil && f.answersFD == profile.NoFD && !f.json:
		typed.offer(ctx, cmd.ErrOrStderr(), p, st)
	}
	if !f.quiet && !f.json {
		fmt.Fprintf(cmd.ErrOrStderr(), "To disconnect: postern down %s\n", localapi.Word(nameOf(r)))
	}
	return nil
}

// shower is how a connection is shown; a question has the screen for itself.
func (f *upFlags) shower(cmd *cobra.Command, ask prompt.Func) (shower, prompt.Func) {
	if f.json {
		return newJSONLines(cmd.OutOrStdout()), ask
	}
	s := newScreen(cmd.ErrOrStderr(), f.quiet, f.colours(cmd.ErrOrStderr()))
	if f.answersFD != profile.NoFD {
		return s, ask
	}
	return s, s.asking(ask)
}

// asker answers what a connection asks.
func asker(noPrompt bool, answersFD, secretsFD int) (prompt.Func, error) {
	switch {
	case answersFD != profile.NoFD && (noPrompt || answersFD == secretsFD):
		return nil, usageError{errors.New("--answers-fd goes neither with --no-prompt nor with --secrets-fd on the same descriptor")}
	case answersFD != profile.NoFD:
		p, err := openProgram(answersFD)
		if err != nil {
			return nil, usageError{err}
		}
		return p.ask, nil
	case noPrompt:
		return prompt.Nobody, nil
	}
	return terminalPrompt(), nil
}

// connectRequest asks for a profile: a person's own, which is read here and returned
// too, or one that the service has, by its name.
func connectRequest(name string, f *upFlags) (*localapi.ConnectRequest, *profile.Profile, error) {
	r := &localapi.ConnectRequest{NoPrompt: f.noPrompt, Proxy: f.socks, Forwards: f.forwards, Secrets: map[string]localapi.Octets{}}
	if f.user != "" {
		r.Secrets["user"] = localapi.Octets(f.user)
	}
	path, err := profile.Find(name)
	if profile.CheckName(name) == nil && (errors.Is(err, profile.ErrNotFound) || err == nil && isSystem(path)) {
		r.Profile = name
		if changes := profile.Changes(name); changes != "" {
			d, err := changesDocument(name, changes)
			if err != nil {
				return nil, nil, err
			}
			r.Profile, r.Document = "", d
		}
		return r, nil, giveSecrets(r.Secrets, name, f.secretsFD)
	}
	if err != nil {
		return nil, nil, err
	}
	p, err := loadProfile(path, f.secretsFD, true)
	if err != nil {
		return nil, nil, err
	}
	r.Document, err = person.Document(p)
	if err != nil {
		p.Clear()
		return nil, nil, err
	}
	return r, p, nil
}

// isSystem says whether a profile is an administrator's.
func isSystem(path string) bool { return filepath.Dir(path) == profile.SystemFolder() }

// giveSecrets adds what this invocation or the person's keyring has for a profile of
// the service's.
func giveSecrets(to map[string]localapi.Octets, name string, fd int) error {
	given, err := profile.Sources{FD: fd}.Given()
	if err != nil {
		return err
	}
	keyring := keyringOf(name)
	for _, key := range []string{"password", "otp_secret"} {
		if s, err := keyring(key); err == nil && s != nil && given[key] == nil {
			to[key] = localapi.Octets(s)
		}
	}
	for key, s := range given {
		to[key] = localapi.Octets(s)
	}
	return nil
}

func octetsOf(m map[string][]byte) map[string]localapi.Octets {
	out := make(map[string]localapi.Octets, len(m))
	for k, v := range m {
		out[k] = localapi.Octets(v)
	}
	return out
}

// nameOf is the name that a request's connection has.
func nameOf(r *localapi.ConnectRequest) string {
	if r.Document != nil {
		return r.Document.Name
	}
	return r.Profile
}

// interruptible is a context that ends at a signal, which is its cause.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, endSignals...)
	go func() {
		select {
		case s := <-signals:
			cancel(signalled{s})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(signals); cancel(nil) }
}

// interrupted is err, or the exit code of the signal that led to it.
func interrupted(ctx context.Context, err error) error {
	if sig, ok := context.Cause(ctx).(signalled); ok {
		if n, ok := sig.Signal.(syscall.Signal); ok {
			return shown{128 + int(n)}
		}
	}
	return err
}
