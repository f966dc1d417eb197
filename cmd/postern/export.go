package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postern/client"
	"postern/client/profile"
	"postern/client/profile/formats"
)

// exportFlags are the flags of export.
type exportFlags struct {
	globals
	format, file string
	secrets      bool
}

func exportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export NAME|FILE",
		Short: "Write a profile for another client, or another machine",
		Long: `Write a profile to standard output or a file, in the format that --format names, or
else the file's name. What that format has no place for is said on standard error.

Formats: ` + strings.Join(formats.Formats(), ", ") + `.

Without --with-secrets the other end asks for what is secret. With it the profile's
secrets are in the file, those of your keyring too; a file is made for your eyes alone.

Exit codes: 0, 1 the file can't be written, 7 the profile is wrong or the format can't
hold it, 10 no such profile.`,
		Example: `  postern export office
  postern export office --format networkmanager -o office.nmconnection`,
		Args:              one("export", "one profile: a name or a file"),
		ValidArgsFunction: completeProfiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.globals = globalsOf(cmd)
			return export(cmd.OutOrStdout(), args[0], &f)
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&f.format, "format", "f", "", "the format (default: as the file's name ends, else "+formats.Formats()[0]+")")
	fs.StringVarP(&f.file, "output", "o", "", "the file to write (default: standard output)")
	fs.BoolVar(&f.secrets, "with-secrets", false, "write the secrets, too")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats.Formats(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func export(out io.Writer, name string, f *exportFlags) error {
	noCoreDumps()
	format, err := f.chooseFormat()
	if err != nil {
		return err
	}
	p, err := exported(name, f.secrets)
	if err != nil {
		return client.Explain(err)
	}
	defer p.Clear()
	data, notes, err := formats.Export(p, format, f.secrets)
	if err != nil {
		return &client.Reason{Code: "export", Exit: client.ExitProfile, Message: "The format " + format + " can't hold this profile: " + err.Error() + "."}
	}
	defer clear(data)
	for _, n := range notes {
		if !f.quiet {
			fmt.Fprintln(os.Stderr, "note:", noteText(n))
		}
	}
	if f.file == "" || f.file == "-" {
		_, err = out.Write(data)
		return err
	}
	if err := profile.WriteFile(f.file, data, true); err != nil {
		return err
	}
	if !f.quiet {
		fmt.Fprintln(os.Stderr, "Wrote", f.file)
	}
	return nil
}

// chooseFormat is the format that was named, or that the file's name ends like.
func (f *exportFlags) chooseFormat() (string, error) {
	all := formats.Formats()
	if f.format == "" {
		for _, name := range all {
			if s := formats.Suffix(name); s != "" && strings.HasSuffix(f.file, s) {
				return name, nil
			}
		}
		return all[0], nil
	}
	if !slices.Contains(all, f.format) {
		return "", usageError{errors.New(fmt.Sprintf("--format: %q isn't written here", f.format) + meant(f.format, "", all))}
	}
	return f.format, nil
}

// exported is a profile with its files, and its secrets if they are wanted: without them,
// a secret that can't be read is nobody's trouble.
func exported(name string, secrets bool) (*profile.Profile, error) {
	p, err := loadProfile(name, profile.NoFD, secrets)
	if err == nil || p == nil || secrets {
		return p, err
	}
	fmt.Fprintln(os.Stderr, "note:", err)
	return p, nil
}
