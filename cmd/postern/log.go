package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/client/localapi"
	"postern/client/prompt"
)

func logCommand() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "log [NAME]",
		Short: "Show what the service noted",
		Long: `Show the last lines of the service's log, all that you may read or those of one
connection; with --follow those to come, too. The lines of --json are objects with
time, level, tunnel, message and attrs.

Exit codes: 0, 8 not permitted, 9 the service isn't running, 10 no such connection.`,
		Args:              atMostOne("log"),
		ValidArgsFunction: completeTunnels,
		RunE: func(cmd *cobra.Command, args []string) error {
			return showLog(cmd.OutOrStdout(), globalsOf(cmd), strings.Join(args, ""), follow)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until interrupted")
	return cmd
}

func showLog(out io.Writer, g globals, name string, follow bool) error {
	api := g.service()
	defer api.Close()
	ctx, stop := interruptible()
	defer stop()
	colours := g.colours(out)
	encoder := json.NewEncoder(out)
	empty := true
	for l, err := range api.Log(ctx, localapi.LogRequest{Tunnel: called(name), Follow: follow}) {
		if err != nil {
			return err
		}
		empty = false
		if g.json {
			err = encoder.Encode(l)
		} else {
			_, err = fmt.Fprintln(out, logText(l, name == "", colours))
		}
		if err != nil {
			return nil // nobody reads any more
		}
	}
	if empty && !g.json && !g.quiet && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "Nothing was noted that you may read.")
	}
	return nil
}

// logText is a line of the log, cleaned: a part of it may be a gateway's.
func logText(l localapi.LogLine, withTunnel bool, colours palette) string {
	var b strings.Builder
	b.WriteString(colours.paint(dim, l.Time.Local().Format("2006-01-02 "+time.TimeOnly)))
	switch l.Level {
	case "info":
	case "error":
		b.WriteString(" " + colours.paint(red, l.Level))
	case "warn":
		b.WriteString(" " + colours.paint(yellow, l.Level))
	default:
		b.WriteString(" " + colours.paint(dim, prompt.Clean(l.Level, 10)))
	}
	if withTunnel && l.Tunnel != "" {
		b.WriteString(" " + colours.paint(bold, prompt.Clean(shortID(l.Tunnel), 80)+":"))
	}
	b.WriteString(" " + prompt.Clean(l.Message, 4096))
	for _, k := range slices.Sorted(maps.Keys(l.Attrs)) {
		v := prompt.Clean(l.Attrs[k], 1024)
		if v == "" || strings.ContainsAny(v, " \"=") {
			v = strconv.Quote(v)
		}
		b.WriteString(" " + colours.paint(dim, prompt.Clean(k, 64)+"=") + v)
	}
	return b.String()
}

// shortID leaves a person's number out of a tunnel's ID.
func shortID(id string) string {
	if _, name, ok := strings.Cut(id, ":"); ok {
		return name
	}
	return id
}

// atMostOne checks that a verb has no or one argument.
func atMostOne(verb string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usageError{errors.New(verb + " wants one name at most")}
		}
		return nil
	}
}
