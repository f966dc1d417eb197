package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/client"
	"postern/client/localapi"
	"postern/client/profile"
	"postern/client/service"
)

// daemonFlags are the flags of daemon.
type daemonFlags struct {
	user, demo             bool
	group, hooks           string
	profiles, stateDir     string
	socket                 string
	verbose, quiet, system bool
}

func daemonCommand() *cobra.Command {
	var f daemonFlags
	cmd := &cobra.Command{
		Use:   "daemon",
		Short: "Serve the local API: everybody's connections, which up, down and status are about",
		Long: `Serve the local API, which the other verbs and the window speak, until interrupted.

As root it changes this machine's network for everybody. It keeps no more of root's
capabilities than that takes. Root and the members of the group postern control it,
others by polkit's leave where that runs; each person sees their own connections and
those of system profiles. With --user it is yours alone and takes no privileges: each
connection has a proxy in place of a device. --demo is --user with a gateway of its own,
and a profile for each way to log in.

System profiles are files NAME.toml in /etc/postern/profiles.d that only root can write
to; those with autoconnect = true are connected from the start on. Secrets of theirs may
be in $CREDENTIALS_DIRECTORY, as NAME.secret, NAME.password and so on.

Under systemd it takes its socket from postern.socket, says when it is ready, what it
does, that it lives and that it ends. Signals: INT and TERM end it and put the network
back, HUP has it read the system profiles anew (with --user: ends it).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			g := globalsOf(cmd)
			f.socket, f.verbose, f.quiet = g.socket, g.verbose, g.quiet
			f.user = f.user || f.demo
			f.system = !f.user
			return f.run(cmd.OutOrStdout())
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&f.user, "user", false, "serve only you, without privileges")
	fs.BoolVar(&f.demo, "demo", false, "serve only you, with an embedded gateway and a profile for each way to log in")
	fs.StringVar(&f.group, "group", localapi.Group, "whose members control connections beside root: a group's name or number")
	fs.StringVar(&f.hooks, "hooks", "", "a folder of programs to run as vpnc-script would be, such as /etc/postern/hooks.d (default: none are run)")
	fs.StringVar(&f.profiles, "profiles", profile.SystemFolder(), "the folder of system profiles")
	fs.StringVar(&f.stateDir, "state-dir", "", "where to note what must be put back after a crash, and gateways that were trusted at first sight (default $STATE_DIRECTORY, else /var/lib/postern; with --user $XDG_STATE_HOME/postern)")
	return cmd
}

// run serves until a signal.
func (f *daemonFlags) run(out io.Writer) error {
	if f.system {
		if err := systemCan(); err != nil {
			return err
		}
		if err := boundCapabilities(daemonCapabilities); err != nil {
			return err
		}
	}
	noCoreDumps()
	locked := lockMemory()
	ended, reload, stopSignals := f.signals()
	defer stopSignals()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	config := f.config()
	if f.demo {
		demo, err := startDemo(ctx, out)
		if err != nil {
			return err
		}
		defer demo.close()
		config.Demo, config.Mode = demo.profiles, localapi.ModeDemo
	}
	listeners, where, err := f.listen()
	if err != nil {
		return &client.Reason{Code: "socket", Exit: client.ExitService, Message: "The service can't listen: " + err.Error() + ".", Try: "End the other one, or choose another place with --socket."}
	}
	notify("STATUS=starting: putting back what was left")
	manager, err := service.New(ended, config)
	if err != nil {
		return err
	}
	log := manager.Logger()
	log.Info("serving", "version", buildVersion(), "mode", config.Mode, "socket", where, "memory locked", locked)
	server := localapi.NewServer(manager, localapi.Options{Log: log, Version: buildVersion()})
	served := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { served <- server.Serve(l) }()
	}
	manager.Reload()
	notify("READY=1")
	if f.user {
		fmt.Fprintln(out, "Serving on "+where+". Ctrl-C ends it.")
	}
	go watchManager(ctx, manager)
	err = serve(ended, reload, manager, served)
	notify("STOPPING=1\nSTATUS=ending connections")
	log.Info("ending")
	manager.Close()
	ending, stop := context.WithTimeout(ctx, 5*time.Second)
	defer stop()
	_ = server.Shutdown(ending)
	return err
}

// config is the Manager's.
func (f *daemonFlags) config() service.Config {
	level := slog.LevelInfo
	switch {
	case f.verbose:
		level = slog.LevelDebug
	case f.quiet:
		level = slog.LevelError
	}
	c := service.Config{
		Mode: localapi.ModeUser, Version: buildVersion(), StateDir: f.stateDir, Group: f.group, Hooks: f.hooks,
		Worker: workerProcess, Debug: f.verbose, Log: slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}),
	}
	if f.system {
		c.Mode, c.Profiles, c.Credentials = localapi.ModeSystem, f.profiles, os.Getenv("CREDENTIALS_DIRECTORY")
	}
	if c.StateDir == "" {
		c.StateDir = stateDir(f.user)
	}
	return c
}

// signals turns what the daemon is told into the end of a context, and into requests to
// read the profiles anew. stop is called when the daemon has ended.
func (f *daemonFlags) signals() (ended context.Context, reload <-chan struct{}, stop func()) {
	ended, end := context.WithCancel(context.Background())
	again := make(chan struct{}, 1)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, endSignals...)
	go func() {
		for s := range signals {
			if !f.system || !isReload(s) {
				end()
				continue
			}
			select {
			case again <- struct{}{}:
			default: // it is about to
			}
		}
	}()
	over := underManager(end)
	return ended, again, func() { signal.Stop(signals); close(signals); end(); over() }
}

// serve waits for the end: a signal, or a listener that failed.
func serve(ended context.Context, reload <-chan struct{}, m *service.Manager, served <-chan error) error {
	for {
		select {
		case <-ended.Done():
			return nil
		case <-reload:
			notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonic()/time.Microsecond))
			m.Logger().Info("reading the system profiles anew")
			m.Reload()
			notify("READY=1")
		case err := <-served:
			return err
		}
	}
}

// watchManager tells the service manager how many connections are up, and that the
// Manager answers.
func watchManager(ctx context.Context, m *service.Manager) {
	root := localapi.Caller{Name: "root"}
	go keepWatched(ctx, func() { m.Snapshot(root) })
	last := ""
	for {
		snap, changed := m.Snapshot(root)
		up := 0
		for _, t := range snap.Tunnels {
			if t.State == client.Up || t.State == client.Rekeying {
				up++
			}
		}
		now := fmt.Sprintf("STATUS=%d of %d connections up", up, len(snap.Tunnels))
		if now != last {
			notify(now)
		}
		last = now
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// workerVerb is what this program is called with to be a connection's process.
const workerVerb = "worker"

func workerCommand() *cobra.Command {
	return &cobra.Command{
		Use: workerVerb, Short: "Make one connection of a daemon's", Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			noCoreDumps()
			lockMemory()
			service.Settle()
			return service.Work(os.Stdin, os.Stdout)
		},
	}
}

// workerProcess is a process for one connection. It has nothing to do with the service
// manager.
func workerProcess() *exec.Cmd {
	cmd := exec.Command(ownProgram(), workerVerb)
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES":
		default:
			cmd.Env = append(cmd.Env, v)
		}
	}
	return cmd
}
