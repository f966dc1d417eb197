package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postern/client"
	"postern/client/localapi"
	"postern/client/profile"
	"postern/client/prompt"
	"postern/client/secret"
)

func secretCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "secret",
		Short: "Keep secrets of profiles in your keyring",
		Long: `Keep secrets of profiles in your keyring: the Secret Service of a Linux desktop (such
as gnome-keyring or KWallet), the Keychain of macOS, the Credential Manager of Windows.
What a profile or --secrets-fd says comes first; what the keyring has isn't asked for.

Kinds: ` + strings.Join(secret.Kinds, ", ") + `.
One-time codes are never kept.`,
	})
	cmd.AddCommand(secretSetCommand(), secretForgetCommand(), secretListCommand())
	return cmd
}

func secretSetCommand() *cobra.Command {
	var fd int
	cmd := &cobra.Command{
		Use:   "set NAME [KIND]",
		Short: "Keep a secret of a profile, which is typed unseen",
		Long: `Keep a secret of a profile, the password if no kind is named. It is typed unseen, or
read from standard input where that isn't a terminal (one newline at its end isn't part of
it), or from --secrets-fd. It is never an argument, which others on this machine could see.

Exit codes: 0 kept, 1 no keyring, 6 nobody to ask, 7 wrong use, 10 no such profile.`,
		Example: `  postern secret set office
  pass show office/psk | postern secret set office secret`,
		Args:              secretArgs("set"),
		ValidArgsFunction: completeSecret,
		RunE: func(cmd *cobra.Command, args []string) error {
			noCoreDumps()
			return secretSet(cmd.OutOrStdout(), globalsOf(cmd), args[0], slices.Concat(args[1:], []string{"password"})[0], fd)
		},
	}
	cmd.Flags().IntVar(&fd, "secrets-fd", profile.NoFD, secretsHelp)
	return cmd
}

func secretForgetCommand() *cobra.Command {
	return &cobra.Command{
		Use: "forget NAME [KIND]", Short: "Forget the secrets of a profile, or one of them",
		Args: secretArgs("forget"), ValidArgsFunction: completeSecret,
		RunE: func(cmd *cobra.Command, args []string) error {
			return secretForget(cmd.OutOrStdout(), globalsOf(cmd), args[0], args[1:])
		},
	}
}

func secretListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list [NAME]", Short: "List which secrets are kept, and never what they are",
		Args: atMostOne("secret list"), ValidArgsFunction: completeProfiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return secretList(cmd.OutOrStdout(), globalsOf(cmd), args)
		},
	}
}

func secretArgs(verb string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < 1 || len(args) > 2:
			return usageError{fmt.Errorf("secret %s wants a profile's name, and perhaps a kind", verb)}
		case profile.CheckName(args[0]) != nil:
			return usageError{fmt.Errorf("%q isn't a profile's name", args[0])}
		case len(args) == 2 && !slices.Contains(secret.Kinds, args[1]):
			return usageError{errors.New(fmt.Sprintf("%q is no kind of secret", args[1]) + meant(args[1], "", secret.Kinds))}
		}
		return nil
	}
}

func completeSecret(cmd *cobra.Command, args []string, word string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 1 {
		return secret.Kinds, cobra.ShellCompDirectiveNoFileComp
	}
	names, _ := completeProfiles(cmd, args, word)
	return names, cobra.ShellCompDirectiveNoFileComp
}

func secretSet(out io.Writer, g globals, name, kind string, fd int) error {
	if err := secret.Available(); err != nil {
		return noKeyring(err)
	}
	p, err := namedProfile(g, name)
	if err != nil {
		return err
	}
	if p != nil {
		name = p.Name
	}
	values, err := givenSecrets(name, kind, fd)
	if err != nil {
		return err
	}
	defer func() {
		for _, v := range values {
			clear(v)
		}
	}()
	if len(values) == 0 {
		return usageError{errors.New("there is no secret in what --secrets-fd delivers")}
	}
	for _, kind := range slices.Sorted(maps.Keys(values)) {
		if p != nil && !p.MaySave(kind) {
			return &client.Reason{
				Code: "policy", Exit: client.ExitProfile, Message: fmt.Sprintf("Your administrator doesn't let you keep %s of %q.", phrase([]string{kind}), name),
				Try: "It is asked for when you connect.",
			}
		}
		encoding := profile.EncodingText
		if kind == "secret" && p != nil {
			encoding = p.SecretEncoding
		}
		s, err := encoding.Decode(values[kind])
		if err != nil {
			return usageError{fmt.Errorf("%s: %w", kind, err)}
		}
		s.Clear()
		if err := secret.Set(name, kind, values[kind]); err != nil {
			return noKeyring(err)
		}
		if !g.quiet && !g.json {
			fmt.Fprintf(out, "Your keyring keeps %s of %s.\n", phrase([]string{kind}), name)
		}
	}
	return nil
}

// namedProfile is a person's own profile, or nil for one that only the service has.
func namedProfile(g globals, name string) (*profile.Profile, error) {
	path, err := profile.Find(name)
	if err == nil {
		p, _, err := profile.Open(path)
		if err != nil {
			return nil, client.Explain(err)
		}
		p.Clear()
		return p, nil
	}
	api := g.service()
	defer api.Close()
	ctx, cancel := context.WithTimeout(context.Background(), listLimit)
	defer cancel()
	infos, _ := api.Profiles(ctx)
	if slices.ContainsFunc(infos, func(i localapi.ProfileInfo) bool { return i.Name == name }) {
		return nil, nil
	}
	return nil, client.Explain(err)
}

// givenSecrets are what a person types, or what comes from standard input or a descriptor.
func givenSecrets(name, kind string, fd int) (map[string][]byte, error) {
	if fd != profile.NoFD {
		values, err := profile.Sources{FD: fd}.Given()
		if err != nil {
			return nil, client.Explain(err)
		}
		return values, nil
	}
	if !isTerminal(os.Stdin) {
		data, err := io.ReadAll(io.LimitReader(os.Stdin, maxSecret+2))
		if err != nil {
			return nil, err
		}
		if line, ok := bytes.CutSuffix(data, []byte("\n")); ok {
			data = bytes.TrimSuffix(line, []byte("\r"))
		}
		return map[string][]byte{kind: data}, nil
	}
	label := phrase([]string{kind})
	label = strings.ToUpper(label[:1]) + label[1:] + " of " + name
	answers, err := terminalPrompt()(context.Background(), prompt.Prompt{Fields: []prompt.Field{{Name: kind, Label: label, Kind: prompt.Secret, Min: 1}}})
	if err != nil {
		return nil, client.Explain(err)
	}
	return map[string][]byte{kind: answers[kind]}, nil
}

// maxSecret bounds a secret in octets, as package profile does.
const maxSecret = 4096

func secretForget(out io.Writer, g globals, name string, kinds []string) error {
	name = called(name)
	if len(kinds) == 0 {
		kinds = secret.Kinds
	}
	var forgotten []string
	for _, kind := range kinds {
		err := secret.Delete(name, kind)
		if err == nil {
			forgotten = append(forgotten, kind)
		} else if !errors.Is(err, secret.ErrNotFound) {
			return noKeyring(err)
		}
	}
	switch {
	case g.json:
		return json.NewEncoder(out).Encode(removed{Schema: 1, Removed: []string{}, Secrets: append([]string{}, forgotten...)})
	case g.quiet:
	case len(forgotten) == 0:
		fmt.Fprintln(out, "Your keyring kept nothing of that.")
	default:
		fmt.Fprintf(out, "Forgot %s of %s.\n", phrase(forgotten), name)
	}
	return nil
}

// keptSecret is a secret that is kept, without its value.
type keptSecret struct {
	Profile string `json:"profile"`
	Kind    string `json:"kind"`
}

func secretList(out io.Writer, g globals, names []string) error {
	if len(names) == 0 {
		for _, l := range listFiles() {
			if !l.Hidden {
				names = append(names, l.Name)
			}
		}
	}
	kept := []keptSecret{}
	for _, name := range names {
		kinds, err := secret.List(called(name))
		if err != nil {
			return noKeyring(err)
		}
		for _, kind := range kinds {
			kept = append(kept, keptSecret{name, kind})
		}
	}
	if g.json {
		return json.NewEncoder(out).Encode(struct {
			Schema  int          `json:"schema"`
			Secrets []keptSecret `json:"secrets"`
		}{1, kept})
	}
	if len(kept) == 0 {
		fmt.Fprintln(out, "Your keyring keeps nothing of that.")
		return nil
	}
	t := table{colours: g.colours(out)}
	t.header("PROFILE", "KIND")
	for _, k := range kept {
		t.row(k.Profile, k.Kind)
	}
	_, err := io.WriteString(out, t.String())
	return err
}

// noKeyring explains an error of the keyring.
func noKeyring(err error) error {
	r := &client.Reason{Code: "keyring", Exit: client.ExitOther, Message: "Your keyring can't be used: " + err.Error() + ".", Detail: err.Error()}
	if errors.Is(err, secret.ErrNone) {
		r.Code = "no_keyring"
		r.Try = "Without one, name a file of yours in the profile (password_file = \"…\", chmod 600), or give secrets with --secrets-fd."
	}
	return r
}
