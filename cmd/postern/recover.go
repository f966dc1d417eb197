package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"postern/client"
	"postern/tun/hostnet"
)

func recoverCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Put this machine's network back after a crash, and lift kill switches that it left",
		Long: `Put back what connections left behind whose process is dead: routes, name servers, and
the kill switch of a profile with kill_switch = true, which holds on purpose until it is
connected and disconnected again, or until this. Connections that are up aren't touched.
It needs root.

Exit codes: 0 done or nothing to do, 5 something couldn't be put back, 8 not permitted.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				dir = stateDir(false)
			}
			return putBack(cmd.OutOrStdout(), globalsOf(cmd), dir)
		},
	}
	cmd.Flags().StringVar(&dir, "state-dir", "", "where it was noted what must be put back (default $STATE_DIRECTORY, else /var/lib/postern)")
	return cmd
}

// recovered is what recover prints as JSON.
type recovered struct {
	Schema int      `json:"schema"`
	Lifted []string `json:"lifted"` // kill switches, by ID
	Held   []string `json:"held"`   // those whose process lives
	Kept   string   `json:"kept,omitempty"`
}

func putBack(out io.Writer, g globals, dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrPermission) || err == nil && os.Geteuid() > 0 {
		return &client.Reason{Code: "not_permitted", Exit: client.ExitPermission, Message: "Changing the network needs root.", Try: "Run: sudo postern recover"}
	}
	r := recovered{Schema: 1, Lifted: []string{}, Held: []string{}}
	err := hostnet.Recover(dir)
	if errors.Is(err, hostnet.ErrKept) {
		r.Kept, err = err.Error(), nil
	}
	switches, listed := hostnet.Guards(dir)
	err = errors.Join(err, listed)
	for _, s := range switches {
		if s.Alive {
			r.Held = append(r.Held, s.ID)
			continue
		}
		if released := hostnet.Release(dir, s.ID); released != nil {
			err = errors.Join(err, released)
			continue
		}
		r.Lifted = append(r.Lifted, s.ID)
		if !g.json && !g.quiet {
			fmt.Fprintf(out, "The kill switch of %s is lifted; it held since %s.\n", s.ID, s.Since.Format(time.DateTime))
		}
	}
	if err != nil {
		return &client.Reason{Code: "network", Exit: client.ExitNetwork, Message: "Something couldn't be put back: " + err.Error() + "."}
	}
	if g.json {
		return json.NewEncoder(out).Encode(r)
	}
	if g.quiet {
		return nil
	}
	for _, id := range r.Held {
		fmt.Fprintf(out, "The kill switch of %s stays: its connection is there.\n", id)
	}
	if r.Kept != "" {
		fmt.Fprintf(out, "Left as somebody else made it meanwhile: %s.\n", r.Kept)
	}
	fmt.Fprintln(out, "This machine's network is as it was before.")
	return nil
}
