package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"postern/client/localapi"
	"postern/client/profile"
)

// globals are the flags that every verb has.
type globals struct {
	json, quiet, verbose bool
	socket, color        string
}

// addGlobals gives them to root and all below it.
func addGlobals(root *cobra.Command) {
	fs := root.PersistentFlags()
	fs.Bool("json", false, "print JSON, for programs; a status that changes one object a line")
	fs.BoolP("quiet", "q", false, "print errors and what was asked for only")
	fs.BoolP("verbose", "v", false, "print more; of a connection every message, in the RFC's notation")
	fs.String("socket", "", "where the service listens (default: the system's, else your own)")
	fs.String("color", "auto", "colour the text: auto (on a terminal, unless $NO_COLOR is set), always or never")
	_ = root.RegisterFlagCompletionFunc("color", cobra.FixedCompletions([]string{"auto", "always", "never"}, cobra.ShellCompDirectiveNoFileComp))
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		switch c := globalsOf(cmd).color; c {
		case "auto", "always", "never":
			return nil
		default:
			return usageError{fmt.Errorf("--color wants auto, always or never, not %q", c)}
		}
	}
}

// globalsOf are those of one invocation.
func globalsOf(cmd *cobra.Command) (g globals) {
	fs := cmd.Flags()
	g.json, _ = fs.GetBool("json")
	g.quiet, _ = fs.GetBool("quiet")
	g.verbose, _ = fs.GetBool("verbose")
	g.socket, _ = fs.GetString("socket")
	g.color, _ = fs.GetString("color")
	return g
}

// service is the daemon's other end: the same one for the whole invocation.
func (g globals) service() *localapi.Client { return localapi.New(localapi.New(g.socket).Socket()) }

// palette colours text for a terminal, or not.
type palette bool

// Select Graphic Rendition (ECMA-48, section 8.3.117).
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (p palette) paint(style, text string) string {
	if !p || text == "" || style == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// colours says whether what goes to a file is coloured (https://no-color.org).
func (g globals) colours(out any) palette {
	switch g.color {
	case "always":
		return true
	case "never":
		return false
	}
	return palette(os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(out))
}

func isTerminal(out any) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// group is a command that only has others below it.
func group(cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		var names []string
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				names = append(append(names, c.Name()), c.Aliases...)
			}
		}
		return usageError{errors.New(fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath()) + meant(args[0], "", names))}
	}
	return cmd
}

// unknownFlag names the flag that was perhaps meant.
func unknownFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() != "" {
		return usageError{fmt.Errorf("%w; see: %s --help", err, cmd.CommandPath())}
	}
	name := unknown.GetSpecifiedName()
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	return usageError{errors.New(fmt.Sprintf("unknown flag --%s for %q", name, cmd.CommandPath()) + meant(name, "--", names))}
}

// meant is the end of a complaint about an unknown word.
func meant(word, prefix string, words []string) string {
	best, distance := profile.Nearest(word, words)
	if distance < 0 || distance > max(2, len(word)/2) {
		return "; see: postern --help"
	}
	return "; did you mean " + prefix + best + "?"
}

// one checks that a verb has one argument.
func one(verb, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("%s wants %s", verb, what)}
		}
		return nil
	}
}
