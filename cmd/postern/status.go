package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/client"
	"postern/client/localapi"
	"postern/client/profile"
)

func statusCommand() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:     "status [NAME]",
		Aliases: []string{"stat"},
		Short:   "Show the connections, or one in detail",
		Long: `Show the connections that you may know of; of one by name what was agreed on, what it
carries, and a table of its SAs: SPIs, algorithms, age, when their keys are renewed,
counters and selectors.

With --watch it is shown anew whenever it changes: on a terminal in place, else one
after the other, and with --json as one object a line, each whole. The object of
"status NAME --json" is a connection, that of "status --json" has all in "tunnels".

States: down, resolving, connecting, authenticating, waiting_for_input, configuring, up,
rekeying, reconnecting, failed. Exit codes: 0 whatever the state, 8 not permitted, 9 the
service isn't running, 10 neither a connection nor a profile.`,
		Args:              atMostOne("status"),
		ValidArgsFunction: completeTunnels,
		RunE: func(cmd *cobra.Command, args []string) error {
			g := globalsOf(cmd)
			out := cmd.OutOrStdout()
			s := &statusView{globals: g, out: out, name: strings.Join(args, ""), colours: g.colours(out), encoder: json.NewEncoder(out), follow: follow}
			return s.run()
		},
	}
	cmd.Flags().BoolVarP(&follow, "watch", "w", false, "go on until interrupted")
	return cmd
}

// statusView shows snapshots.
type statusView struct {
	globals
	out     io.Writer
	name    string // of one connection; "" for all
	colours palette
	encoder *json.Encoder
	follow  bool
	last    string // what was shown, where that isn't JSON
}

func (v *statusView) run() error {
	api := v.service()
	defer api.Close()
	ctx, stop := interruptible()
	defer stop()
	if !v.follow {
		s, err := api.Snapshot(ctx)
		if err != nil {
			return interrupted(ctx, err)
		}
		return v.show(ctx, api, s)
	}
	for s, err := range api.Watch(ctx) {
		if err == nil {
			err = v.show(ctx, api, s)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// show prints one snapshot, or what of it is asked for.
func (v *statusView) show(ctx context.Context, api *localapi.Client, s localapi.Snapshot) error {
	if v.name == "" {
		if v.json {
			return v.encoder.Encode(s)
		}
		return v.print(v.overview(s))
	}
	t, err := v.find(ctx, api, s)
	switch {
	case err != nil:
		return err
	case v.json:
		return v.encoder.Encode(t.Status)
	}
	return v.print(v.detail(t, time.Now()))
}

// print shows text, on a terminal in the place of the last one.
func (v *statusView) print(text string) error {
	if text == v.last {
		return nil
	}
	before, lines := "", text
	switch {
	case v.follow && isTerminal(v.out):
		// To the first line; clear what was right of and below the text (ECMA-48, CUP, EL, ED).
		before, lines = "\x1b[H", strings.ReplaceAll(text, "\n", "\x1b[K\n")+"\x1b[J"
		if v.last == "" {
			before = "\x1b[2J" + before
		}
	case v.last != "":
		before = "\n"
	}
	v.last = text
	_, err := fmt.Fprint(v.out, before+lines)
	return err
}

// find returns the connection that a person means. A profile that has none is down.
func (v *statusView) find(ctx context.Context, api *localapi.Client, s localapi.Snapshot) (localapi.Tunnel, error) {
	i := slices.IndexFunc(s.Tunnels, func(t localapi.Tunnel) bool { return t.ID == v.name })
	profileName := called(v.name)
	for j, t := range s.Tunnels {
		if t.Profile == profileName && (i < 0 || t.Owner != "" && s.Tunnels[i].Owner == "") {
			i = j // a person's own before a system profile's
		}
	}
	if i >= 0 {
		return s.Tunnels[i], nil
	}
	name := shortID(profileName)
	down := localapi.Tunnel{ID: name, Status: client.Status{Schema: 1, Profile: name, State: client.Down, Since: time.Now()}}
	if _, err := profile.Find(v.name); err == nil {
		return down, nil
	}
	infos, err := api.Profiles(ctx)
	if slices.ContainsFunc(infos, func(p localapi.ProfileInfo) bool { return p.Name == name }) {
		return down, nil
	}
	if err == nil {
		err = localapi.NoSuchTunnel(v.name)
	}
	return down, err
}

// overview is all connections in a table.
func (v *statusView) overview(s localapi.Snapshot) string {
	now := time.Now()
	if len(s.Tunnels) == 0 {
		hint := "connect with: postern up NAME"
		if !s.Control {
			hint = "you may look, and not connect: that is for root and the group " + localapi.Group
		}
		return "There is no connection (" + hint + ").\n"
	}
	t := table{colours: v.colours}
	t.header("NAME", "STATE", "FOR", "GATEWAY", "ADDRESS", "THROUGH", "IN", "OUT", "OWNER")
	several := slices.ContainsFunc(s.Tunnels, func(u localapi.Tunnel) bool { return u.Owner != s.Tunnels[0].Owner })
	for _, c := range s.Tunnels {
		var gateway, address, device, in, out, owner string
		if c.Gateway != nil {
			gateway = c.Gateway.Name
		}
		if c.Tunnel != nil {
			address, device = c.Tunnel.Address.String(), c.Tunnel.Interface
			if device == "" {
				device = c.Tunnel.Proxy
			}
		}
		if c.Traffic != nil {
			in, out = octetsText(c.Traffic.In.Octets), octetsText(c.Traffic.Out.Octets)
		}
		if several {
			if owner = c.Owner; owner == "" {
				owner = "system"
			}
		}
		t.row(cell{c.Profile, bold}, v.state(c.State), since(c.Since, now), gateway, address, device, in, out, owner)
	}
	text := t.String()
	for _, c := range s.Tunnels {
		if c.Reason != nil {
			text += fmt.Sprintf("%s: %s\n", c.Profile, c.Reason)
		}
		if c.Prompt != nil {
			text += fmt.Sprintf("%s waits for an answer: postern up %s\n", c.Profile, localapi.Word(c.Profile))
		}
	}
	return text
}

// state is a state's cell.
func (v *statusView) state(s client.State) cell {
	switch s {
	case client.Up, client.Rekeying:
		return cell{string(s), green}
	case client.Failed:
		return cell{string(s), red}
	case client.Down:
		return cell{string(s), dim}
	}
	return cell{string(s), yellow}
}

// detail is one connection.
func (v *statusView) detail(t localapi.Tunnel, now time.Time) string {
	var b strings.Builder
	st := t.Status
	state := v.state(st.State)
	fmt.Fprintf(&b, "%s is %s", v.colours.paint(bold, st.Profile), v.colours.paint(state.style, state.text))
	if st.State != client.Down {
		fmt.Fprintf(&b, " for %s", since(st.Since, now))
	}
	if t.Owner != "" {
		fmt.Fprintf(&b, ", of %s", t.Owner)
	}
	b.WriteByte('\n')
	if st.Reason != nil {
		fmt.Fprintf(&b, "  %s\n", st.Reason)
	}
	if st.Prompt != nil {
		fmt.Fprintf(&b, "  It waits for an answer: postern up %s\n", localapi.Word(st.Profile))
	}
	st.SAs = nil // in a table of their own
	b.WriteString(statistics(st))
	if st.IKE != nil && !st.IKE.Expires.IsZero() {
		fmt.Fprintf(&b, "  %-10s for %s more\n", "IKE SA", span(st.IKE.Expires.Sub(now)))
	}
	if st.IKE != nil && st.IKE.NAT != "" {
		fmt.Fprintf(&b, "  %-10s %s\n", "NAT", map[string]string{"none": "none", "us": "in front of us", "gateway": "in front of the gateway", "both": "in front of both"}[st.IKE.NAT])
	}
	if st.Tunnel != nil && st.Tunnel.Resolver != "" {
		fmt.Fprintf(&b, "  %-10s %s\n", "resolver", st.Tunnel.Resolver)
	}
	for _, w := range st.Warnings {
		fmt.Fprintf(&b, "  %s %s\n", v.colours.paint(yellow, "note:"), w)
	}
	if len(t.SAs) > 0 {
		b.WriteString("\n" + v.sas(t.SAs, now))
	}
	return b.String()
}

// sas is a table of pairs of ESP SAs.
func (v *statusView) sas(pairs []client.SAStatus, now time.Time) string {
	t := table{colours: v.colours}
	t.header("SPI IN", "SPI OUT", "ALGORITHMS", "AGE", "REKEY", "EXPIRES", "IN", "OUT", "LOCAL", "REMOTE")
	for _, s := range pairs {
		count := func(c client.TrafficCount) string {
			return fmt.Sprintf("%d pkt, %s", c.Packets, octetsText(c.Octets))
		}
		t.row(s.Inbound, s.Outbound, s.Suite, since(s.Since, now), in(s.Rekey, now), in(s.Expires, now), count(s.In), count(s.Out), s.Local, s.Remote)
	}
	return t.String()
}

// in writes how far ahead something is.
func in(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return "in " + span(t.Sub(now))
}
