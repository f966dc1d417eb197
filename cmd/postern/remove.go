package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"postern/client"
	"postern/client/profile"
	"postern/client/prompt"
	"postern/client/secret"
)

func removeCommand() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:     "remove NAME",
		Aliases: []string{"rm"},
		Short:   "Remove a profile of yours, and forget its secrets",
		Long: `Remove a profile of yours: its file, the files that "postern import" put beside it, and
what your keyring has of it. A connection that is up stays up.

Exit codes: 0 removed, 6 nobody to ask and no --yes, 10 no such profile, 130 not removed.`,
		Args:              one("remove", "one profile of yours, by its name"),
		ValidArgsFunction: completeOwn,
		RunE: func(cmd *cobra.Command, args []string) error {
			return removeProfile(cmd.OutOrStdout(), globalsOf(cmd), args[0], yes)
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "don't ask")
	return cmd
}

// removed is what remove prints as JSON.
type removed struct {
	Schema  int      `json:"schema"`
	Removed []string `json:"removed"` // files
	Secrets []string `json:"secrets"` // kinds, of the keyring
}

func removeProfile(out io.Writer, g globals, name string, yes bool) error {
	path := filepath.Join(profile.UserFolder(), name+".toml")
	if _, err := os.Lstat(path); profile.CheckName(name) != nil || err != nil {
		_, err := profile.Remove(name) // which says why not
		if errors.Is(err, profile.ErrNotFound) {
			err = &client.Reason{Code: "no_such_profile", Exit: client.ExitNoProfile, Message: fmt.Sprintf("You have no profile %q of your own.", name), Try: "List those there are with: postern list"}
		}
		return client.Explain(err)
	}
	if !yes {
		if err := sure(fmt.Sprintf("Remove %s and forget its secrets", shorten(path))); err != nil {
			return err
		}
	}
	beside, account := besideProfile(path), called(name)
	path, err := profile.Remove(name)
	if err != nil {
		return client.Explain(err)
	}
	r := removed{Schema: 1, Removed: []string{path}, Secrets: []string{}}
	for _, file := range beside {
		if err := os.Remove(file); err != nil {
			return err
		}
		r.Removed = append(r.Removed, file)
	}
	kinds, err := secret.Forget(account)
	if err != nil && !errors.Is(err, secret.ErrNone) {
		fmt.Fprintln(os.Stderr, "postern: what your keyring has of it stays there:", err)
	}
	r.Secrets = append(r.Secrets, kinds...)
	switch {
	case g.json:
		return json.NewEncoder(out).Encode(r)
	case g.quiet:
		return nil
	}
	for _, file := range r.Removed {
		fmt.Fprintln(out, "Removed", shorten(file))
	}
	if len(kinds) > 0 {
		fmt.Fprintf(out, "Forgot %s, of your keyring\n", phrase(kinds))
	}
	return nil
}

// besideProfile are the files that lie beside a profile and bear its name, which import
// wrote: "office.secret" beside "office.toml".
func besideProfile(path string) (out []string) {
	stem := strings.TrimSuffix(filepath.Base(path), "toml") // with the dot
	files, _ := os.ReadDir(filepath.Dir(path))
	for _, f := range files {
		rest, ok := strings.CutPrefix(f.Name(), stem)
		if ok && f.Type().IsRegular() && rest != "toml" && !strings.HasSuffix(rest, ".toml") {
			out = append(out, filepath.Join(filepath.Dir(path), f.Name()))
		}
	}
	return out
}

// sure asks a person whether they are; the error is that they aren't, or nobody is there.
func sure(question string) error {
	answers, err := terminalPrompt()(context.Background(), prompt.Prompt{Fields: []prompt.Field{{Name: "sure", Label: question, Kind: prompt.YesNo, Default: "no"}}})
	switch {
	case errors.Is(err, prompt.ErrNotInteractive):
		return &client.Reason{Code: "input_needed", Exit: client.ExitInput, Message: "Nobody is there to say yes.", Try: "Use --yes."}
	case err != nil || string(answers["sure"]) != "yes":
		fmt.Fprintln(os.Stderr, "Nothing was changed.")
		return shown{client.ExitInterrupted}
	}
	return nil
}
