package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"postern/client"
	"postern/client/localapi"
	"postern/client/profile"
)

func listCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the profiles: yours and the system's",
		Long: `List your profiles, the system's and those that only the service has, and the state of
their connections. It needs no service. A profile that can't be used is listed with what
is wrong with it.

Yours are files in $XDG_CONFIG_HOME/postern/profiles (~/.config/postern/profiles), the
system's in /etc/postern/profiles.d. Of two with the same name yours is taken.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return listProfiles(cmd.OutOrStdout(), globalsOf(cmd)) },
	}
}

// listed is one profile, as list prints it as JSON.
type listed struct {
	Name    string       `json:"name"`
	Gateway string       `json:"gateway,omitempty"`
	From    string       `json:"from"`           // "you", "system" or "service"
	File    string       `json:"file,omitempty"` // unless only the service has it
	Hidden  bool         `json:"hidden,omitempty"`
	State   client.State `json:"state,omitempty"` // of its connection, if the service is running
	Problem string       `json:"problem,omitempty"`
	called  string       // in its file
}

func listProfiles(out io.Writer, g globals) error {
	all := listFiles()
	api := g.service()
	defer api.Close()
	ctx, cancel := context.WithTimeout(context.Background(), listLimit)
	defer cancel()
	infos, err := api.Profiles(ctx)
	if err == nil {
		all = addKnown(all, infos)
		s, _ := api.Snapshot(ctx)
		addStates(all, s.Tunnels)
	}
	if g.json {
		return json.NewEncoder(out).Encode(struct {
			Schema   int      `json:"schema"`
			Profiles []listed `json:"profiles"`
		}{1, all})
	}
	if len(all) == 0 {
		fmt.Fprintln(out, "There is no profile. Bring one with: postern import FILE; or write one with: postern edit NAME")
		return nil
	}
	colours := g.colours(out)
	t := table{colours: colours}
	t.header("NAME", "GATEWAY", "FROM", "STATE", "")
	view := statusView{colours: colours}
	for _, l := range all {
		note := cell{}
		switch {
		case l.Problem != "":
			note = cell{l.Problem, red}
		case l.Hidden:
			note = cell{"hidden by yours", dim}
		case g.verbose:
			note = cell{shorten(l.File), dim}
		}
		t.row(cell{l.Name, bold}, l.Gateway, l.From, view.state(l.State), note)
	}
	_, err = io.WriteString(out, t.String())
	return err
}

// listLimit is how long the service may take, without which there is a list, too.
const listLimit = completionLimit

// listFiles are the profiles in files that this person can read.
func listFiles() []listed {
	out := []listed{}
	for _, e := range profile.List() {
		l := listed{Name: e.Name, From: "you", File: e.File, Hidden: e.Hidden}
		if e.System {
			l.From = "system"
		}
		if e.Problem != nil {
			l.Problem = e.Problem.Error()
		} else {
			l.Gateway, l.called = e.Profile.Gateway.String(), e.Profile.Name
			e.Profile.Clear()
		}
		out = append(out, l)
	}
	return out
}

// addKnown adds what the service knows, which may read what this person can't.
func addKnown(all []listed, infos []localapi.ProfileInfo) []listed {
	for _, p := range infos {
		i := slices.IndexFunc(all, func(l listed) bool { return l.Name == p.Name && l.From == "system" })
		if i < 0 {
			hidden := slices.ContainsFunc(all, func(l listed) bool { return l.Name == p.Name && l.From == "you" })
			all = append(all, listed{Name: p.Name, From: "service", Hidden: hidden, called: p.Name})
			i = len(all) - 1
		}
		all[i].Gateway, all[i].Problem = p.Gateway, p.Problem
		if all[i].called == "" {
			all[i].called = p.Name
		}
	}
	return all
}

// addStates adds where the connections stand.
func addStates(all []listed, tunnels []localapi.Tunnel) {
	for i := range all {
		all[i].State = client.Down
		for _, t := range tunnels {
			if t.Profile == all[i].called && (t.Owner != "") == (all[i].From == "you") {
				all[i].State = t.State
			}
		}
	}
}
