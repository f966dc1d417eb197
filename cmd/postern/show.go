package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"postern/client"
	"postern/client/prompt"
)

// shower shows a connection as it changes.
type shower interface {
	show(client.Status)
	wasUp() bool
	explains() bool // shows the reason of a failure itself
}

// watch shows every status until ctx ends.
func watch(ctx context.Context, c *client.Client, s shower) {
	for {
		st, changed := c.Watch()
		s.show(st)
		if st.State == client.Up {
			notify("READY=1\nSTATUS=connected to " + st.Gateway.Name)
		} else {
			notify("STATUS=" + string(st.State))
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func newJSONLines(out io.Writer) *jsonLines { return &jsonLines{encoder: json.NewEncoder(out)} }

// jsonLines prints whole snapshots, one a line.
type jsonLines struct {
	encoder *json.Encoder

	mu   sync.Mutex
	last client.State
	up   bool
}

func (j *jsonLines) show(st client.Status) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if st.State == client.Failed && j.last == client.Failed {
		return // the last word was said
	}
	j.last = st.State
	j.up = j.up || st.State == client.Up
	_ = j.encoder.Encode(st)
}

func (j *jsonLines) wasUp() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.up
}

func (j *jsonLines) explains() bool { return true }

// screen shows the phases as they pass.
type screen struct {
	out     io.Writer
	quiet   bool
	colours palette

	mu     sync.Mutex
	began  time.Time
	state  client.State
	warned map[string]bool
	banner string
	up     bool
	reason string
}

// newScreen begins to count the time.
func newScreen(out io.Writer, quiet bool, colours palette) *screen {
	return &screen{out: out, quiet: quiet, colours: colours, began: time.Now(), warned: make(map[string]bool)}
}

var phaseNames = map[client.State]string{
	client.Resolving:      "looking up the gateway",
	client.Connecting:     "phase 1: agreeing on keys",
	client.Authenticating: "logging in",
	client.Configuring:    "setting up the tunnel",
	client.Rekeying:       "renewing keys",
	client.Reconnecting:   "reconnecting",
}

func (t *screen) explains() bool { return true }

func (t *screen) wasUp() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.up
}

func (t *screen) show(st client.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if st.State == client.Failed {
		t.line("failed", st.Reason)
		return
	}
	if t.quiet {
		t.up = t.up || st.State == client.Up
		return
	}
	for _, w := range st.Warnings {
		if !t.warned[w] {
			t.warned[w] = true
			fmt.Fprintln(t.out, " ", t.colours.paint(yellow, "note:"), w)
		}
	}
	if st.State == client.WaitingForInput {
		return // the question itself is shown
	}
	if st.State == t.state && (st.Reason == nil || st.Reason.Message == t.reason) {
		return
	}
	t.state = st.State
	switch st.State {
	case client.Up:
		word := "connected"
		if !t.up && st.Since.Before(t.began) {
			word = "connected already, since " + st.Since.Local().Format(time.DateTime)
		}
		t.up = true
		fmt.Fprintf(t.out, "%s %s\n%s", t.clock(), t.colours.paint(green, word), summary(st))
		if b := st.Tunnel.Banner; b != "" && b != t.banner {
			t.banner = b
			fmt.Fprintf(t.out, "  the gateway says:\n%s", indent(b))
		}
	case client.Down:
		if t.up {
			fmt.Fprintln(t.out, t.clock(), "disconnected")
		}
	default:
		fmt.Fprintln(t.out, t.clock(), phaseNames[st.State])
		if st.Reason != nil {
			t.reason = st.Reason.Message
			fmt.Fprintln(t.out, "  "+st.Reason.Error())
		}
	}
}

// asking lets a question have the screen for itself: what happens meanwhile is
// shown after it.
func (t *screen) asking(ask prompt.Func) prompt.Func {
	return func(ctx context.Context, p prompt.Prompt) (prompt.Answers, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		return ask(ctx, p)
	}
}

// cancelled says that the person didn't want to wait, on a line behind the "^C" that the
// terminal shows.
func (t *screen) cancelled() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.quiet {
		fmt.Fprintln(t.out, "\nCancelled.")
	}
}

func (t *screen) line(word string, r *client.Reason) {
	if r == nil || t.reason == r.Message && t.state == client.Failed {
		return
	}
	t.state, t.reason = client.Failed, r.Message
	fmt.Fprintf(t.out, "%s %s: %s\n", t.clock(), t.colours.paint(red, word), r.Message)
	if r.Try != "" {
		fmt.Fprintln(t.out, "  "+r.Try)
	}
}

func (t *screen) clock() string { return fmt.Sprintf("%6.2fs", time.Since(t.began).Seconds()) }

// summary is a connection in a few lines.
func summary(st client.Status) string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "  %-10s "+format+"\n", append([]any{name}, args...)...)
	}
	if st.Gateway != nil {
		row("gateway", "%s (%s)", st.Gateway.Name, st.Gateway.Address)
	}
	if i := st.IKE; i != nil {
		row("phase 1", "%s, %s, %s, peer %s", i.Mode, i.Proposal, i.Authentication, i.Peer)
	}
	for _, s := range st.SAs {
		row("ESP", "%s, %s to %s", s.Suite, s.Local, s.Remote)
	}
	if t := st.Tunnel; t != nil {
		where := t.Interface
		if where == "" {
			where = "no device, rootless"
		}
		row("address", "%s on %s, MTU %d, ESP in %s", t.Address, where, t.MTU, map[string]string{"udp": "UDP", "esp": "IP protocol 50"}[t.Encapsulation])
		row("networks", "%s (%s)", list(t.Networks), t.Rule)
		if len(t.DNS) > 0 {
			row("DNS", "%s %s", list(t.DNS), strings.Join(t.Domains, " "))
		}
		if t.Proxy != "" {
			row("proxy", "%s (SOCKS5 and HTTP)", t.Proxy)
		}
		for _, f := range t.Forwards {
			row("forward", "%s", f)
		}
	}
	return b.String()
}

// statistics is a connection's counters.
func statistics(st client.Status) string {
	b := summary(st)
	if t := st.Traffic; t != nil {
		b += fmt.Sprintf("  %-10s %d packets, %d octets in; %d packets, %d octets out\n", "traffic", t.In.Packets, t.In.Octets, t.Out.Packets, t.Out.Octets)
		for name, c := range map[string]client.TrafficCount{"dropped in": t.In, "dropped out": t.Out} {
			for reason, n := range c.Dropped {
				b += fmt.Sprintf("  %-10s %d for %s\n", name, n, reason)
			}
		}
	}
	return b
}

func list[T fmt.Stringer](vs []T) string {
	if len(vs) == 0 {
		return "none"
	}
	var names []string
	for _, v := range vs {
		names = append(names, v.String())
	}
	return strings.Join(names, ", ")
}

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ") + "\n"
}
