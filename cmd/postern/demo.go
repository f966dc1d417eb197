package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/client"
	"postern/client/concentrator"
	"postern/client/profile"
)

// demoFlags are the flags of demo.
type demoFlags struct {
	globals
	mode, auth string
	keep       bool
}

func demoCommand() *cobra.Command {
	var f demoFlags
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Try everything on this machine: an embedded gateway, a real connection, a page fetched through it",
		Long: `Start an embedded gateway on a loopback address, connect to it with the real client
over real UDP sockets, fetch the page behind the gateway through the tunnel, and print
what was negotiated and moved. It needs no privileges and changes nothing here: both ends
of the tunnel are IP stacks in this process.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.globals = globalsOf(cmd)
			return demo(cmd.OutOrStdout(), &f)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.mode, "mode", "main", "the phase 1 exchange: main or aggressive")
	fs.StringVar(&f.auth, "auth", authXAuth, "how the user logs in: xauth (name and password), radius (the gateway asks an embedded\nRADIUS server, which has a question of its own), securid (a passcode, a new PIN, the next tokencode),\nstamp (the VPN 5000's own exchanges: RADIUS before phase 1, SecurID after it, a policy in Quick Mode)")
	fs.BoolVar(&f.keep, "keep", false, "stay up, with a proxy address to try in a browser")
	return cmd
}

const (
	demoGroup = "staff"
	demoUser  = "alice"
	demoPage  = "http://10.20.0.1/"
)

// demoResult is what --json prints.
type demoResult struct {
	Status client.Status `json:"status"`
	Page   fetched       `json:"page"`
}

// fetched is the page behind the gateway.
type fetched struct {
	URL     string        `json:"url"`
	Code    int           `json:"code"`
	Octets  int           `json:"octets"`
	SHA256  string        `json:"sha256"`
	Took    time.Duration `json:"took_ns"`
	content string
}

func demo(out io.Writer, f *demoFlags) error {
	if f.mode != string(profile.MainMode) && f.mode != string(profile.AggressiveMode) {
		return usageError{fmt.Errorf("--mode wants main or aggressive, not %q", f.mode)}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	if f.quiet && !f.json {
		out = io.Discard
	}
	out = &oneAtATime{out: out}
	said := out
	if f.json {
		said = io.Discard
	}
	auth, err := newDemoAuth(f.auth, rand.Text(), said)
	if err != nil {
		return err
	}
	defer auth.close()
	secret := rand.Text()
	gateway, err := startGateway(ctx, secret, auth)
	if err != nil {
		return err
	}
	defer gateway.Close()
	p, err := demoProfile(gateway.Addr(), f.mode, secret, auth)
	if err != nil {
		return err
	}
	level := slog.LevelError
	if f.verbose {
		level = slog.LevelDebug
	}
	c := client.New(p, client.Options{
		Log:      slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
		Rootless: &client.Rootless{Proxy: "127.0.0.1:0"},
		Ask:      auth.ask,
	})
	show := shower(newScreen(out, false, f.colours(out)))
	if f.json {
		show = silent{}
	} else {
		fmt.Fprintf(out, "An embedded gateway listens on %v, UDP. Connecting to it as %s of the group %s.\n", gateway.Addr(), demoUser, demoGroup)
	}
	stop := handleSignals(c, cancel)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	err = tryTunnel(ctx, c, show, out, f, ended)
	cancel(nil)
	if err == nil {
		err = <-ended
	}
	var sig signalled
	if errors.As(err, &sig) {
		return nil
	}
	return err
}

// startGateway runs a concentrator on a loopback address until ctx ends.
func startGateway(ctx context.Context, secret string, auth *demoAuth) (*concentrator.Gateway, error) {
	// Every octet of this is the program's own, so it is a fault of ours if it is wrong.
	config := fmt.Sprintf(demoConfig, secret, auth.group, auth.local) + auth.config
	cfg, err := concentrator.ParseConfig([]byte(config), "demo.conf")
	if err != nil {
		return nil, err
	}
	g, err := concentrator.New(cfg, concentrator.Options{Port: netip.MustParseAddrPort("127.0.0.1:0"), Netstack: true})
	if err != nil {
		return nil, err
	}
	go func() { _ = g.Serve(ctx) }()
	return g, nil
}

func demoProfile(gateway netip.AddrPort, mode, secret string, auth *demoAuth) (*profile.Profile, error) {
	more := fmt.Sprintf("identity = %q\n", demoGroup)
	if auth.profile != "" {
		secret, more = auth.key, auth.profile
	}
	if auth.password != "" {
		more += fmt.Sprintf("password = %q\n", auth.password)
	}
	return profile.Parse(fmt.Appendf(nil, `
name = "demo"
gateway = %q
mode = %q
secret = %q
user = %q
ike = ["aes256-sha256-modp2048"]
%s`, gateway, mode, secret, demoUser, more), "demo.toml")
}

// tryTunnel shows the connection until it is up, uses it, and tells what moved.
func tryTunnel(ctx context.Context, c *client.Client, show shower, out io.Writer, f *demoFlags, ended <-chan error) error {
	for {
		st, changed := c.Watch()
		show.show(st)
		if st.State == client.Up {
			break
		}
		select {
		case err := <-ended:
			if err == nil {
				err = context.Cause(ctx)
			}
			return err
		case <-changed:
		}
	}
	page, err := fetch(ctx, c.Status().Tunnel.Proxy)
	if err != nil {
		return fmt.Errorf("fetching the page behind the gateway: %w", err)
	}
	st := c.Status()
	if f.json {
		return json.NewEncoder(out).Encode(demoResult{st, page})
	}
	fmt.Fprintf(out, "Fetched %s through the tunnel: %d, %d octets in %v. It says:\n%s", page.URL, page.Code, page.Octets, page.Took.Round(100*time.Microsecond), indent(text(page.content)))
	fmt.Fprintf(out, "Moved: %d packets, %d octets in; %d packets, %d octets out.\n", st.Traffic.In.Packets, st.Traffic.In.Octets, st.Traffic.Out.Packets, st.Traffic.Out.Octets)
	if !f.keep {
		return nil
	}
	fmt.Fprintf(out, "\nThe tunnel stays up. Set your browser's SOCKS or HTTP proxy to %s and open %s, or type\n    curl -x http://%s %s\nCtrl-C ends it.\n", st.Tunnel.Proxy, demoPage, st.Tunnel.Proxy, demoPage)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}

// fetch gets the page behind the gateway through the proxy.
func fetch(ctx context.Context, proxy string) (fetched, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	began := time.Now()
	client := http.Client{Transport: &http.Transport{
		Proxy:             http.ProxyURL(&url.URL{Scheme: "socks5", Host: proxy}),
		DisableKeepAlives: true,
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, demoPage, nil)
	if err != nil {
		return fetched{}, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return fetched{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return fetched{}, err
	}
	if answer.StatusCode != http.StatusOK {
		return fetched{}, fmt.Errorf("%s: %s", demoPage, answer.Status)
	}
	sum := sha256.Sum256(body)
	return fetched{demoPage, answer.StatusCode, len(body), fmt.Sprintf("%x", sum), time.Since(began), string(body)}, nil
}

// text is an HTML page without its head and its tags, enough to be read on a
// terminal.
func text(page string) string {
	var b strings.Builder
	if _, body, ok := strings.Cut(page, "</style>"); ok {
		page = body
	}
	in := false
	for _, r := range page {
		switch {
		case r == '<':
			in = true
		case r == '>':
			in = false
			b.WriteByte(' ')
		case !in:
			b.WriteRune(r)
		}
	}
	var lines []string
	for line := range strings.Lines(b.String()) {
		if words := strings.Fields(line); len(words) > 0 {
			lines = append(lines, strings.Join(words, " "))
		}
	}
	return strings.Join(lines, "\n")
}

// silent shows nothing.
type silent struct{}

func (silent) show(client.Status) {}
func (silent) wasUp() bool        { return true }
func (silent) explains() bool     { return false }

// demoConfig is the gateway's configuration; its key and password are made anew
// each time.
const demoConfig = `
[ General ]
InsideAddress = 10.20.0.1/24

[ IKE Policy ]
Protection = aes256-sha256-modp2048

[ VPN Group "staff" ]
SharedKey = "%s"
Transform = aes256-sha256
StartIPAddress = 10.20.0.10
MaxConnections = 20
IPNet = 10.20.0.0/24
DNSPrimaryServer = 10.20.0.1
Banner = "You are on the embedded gateway of postern demo."
%s

[ VPN Users ]
"alice" Config="staff" Password="%s"
`
