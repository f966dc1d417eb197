package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"postern/client/localapi"
)

func downCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "down [NAME|--all]",
		Aliases: []string{"disconnect"},
		Short:   "Disconnect",
		Long: `Disconnect, and come back when this machine's network is as it was before. NAME may be
left out where there is one connection only.

Exit codes: 0 disconnected, 1 other failure, 7 wrong use, 8 not permitted, 9 the service
isn't running, 10 no such connection.`,
		Args:              atMostOne("down"),
		ValidArgsFunction: completeTunnels,
		RunE: func(cmd *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return usageError{errors.New("down wants a name or --all, not both")}
			}
			return down(cmd.OutOrStdout(), globalsOf(cmd), strings.Join(args, ""), all)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "disconnect everything that you control")
	return cmd
}

// disconnected is what down prints as JSON.
type disconnected struct {
	Schema       int      `json:"schema"`
	Disconnected []string `json:"disconnected"` // profiles
}

func down(out io.Writer, g globals, name string, all bool) error {
	api := g.service()
	defer api.Close()
	ctx, stop := interruptible()
	defer stop()
	ids, names, err := chosen(ctx, api, name, all)
	if err != nil {
		return interrupted(ctx, err)
	}
	r := disconnected{Schema: 1, Disconnected: []string{}}
	for i, id := range ids {
		err := api.Disconnect(ctx, localapi.TunnelRequest{Tunnel: id})
		var gone *localapi.Reason
		if all && errors.As(err, &gone) && gone.Code == localapi.CodeNoSuchTunnel {
			continue // it went by itself
		}
		if err != nil {
			return interrupted(ctx, err)
		}
		r.Disconnected = append(r.Disconnected, names[i])
		if !g.json && !g.quiet {
			fmt.Fprintf(out, "%s is down.\n", names[i])
		}
	}
	if g.json {
		return json.NewEncoder(out).Encode(r)
	}
	if len(ids) == 0 && !g.quiet {
		fmt.Fprintln(out, "There is no connection.")
	}
	return nil
}

// chosen are the connections that a person means, by ID and by profile.
func chosen(ctx context.Context, api *localapi.Client, name string, all bool) (ids, names []string, err error) {
	if name != "" {
		name = called(name)
		return []string{name}, []string{shortID(name)}, nil
	}
	s, err := api.Snapshot(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range s.Tunnels {
		ids, names = append(ids, t.ID), append(names, t.Profile)
	}
	if len(ids) > 1 && !all {
		return nil, nil, usageError{fmt.Errorf("there are several connections: say which (%s), or --all", strings.Join(names, ", "))}
	}
	return ids, names, nil
}
