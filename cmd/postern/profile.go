package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"postern/client"
	"postern/client/profile"
	"postern/client/profile/bundle"
	"postern/client/prompt"
)

func profileCommand() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "profile",
		Short: "Roll profiles out to many machines, in signed bundles",
		Long: `An organisation makes a bundle of its profiles, with what they name and a [policy] that
says what people may change, and signs it with a key. Machines install it when their
administrator pinned that key: its public half as a file in ` + filepath.Join(profile.AdminFolder(), "trusted.d") + `,
NAME.pub, or in the machine's policy. Keys and signatures are minisign's.

  postern profile keygen acme.key                     once; pin acme.key.pub
  postern profile bundle --name acme --serial 7 -o acme.bundle office.toml acme-ca.pem
  postern profile sign acme.bundle --key acme.key     makes acme.bundle.minisig
  postern profile verify acme.bundle --key acme.key.pub
  sudo postern profile install acme.bundle            on each machine`,
	})
	cmd.AddCommand(keygenCommand(), bundleCommand(), signCommand(), verifyCommand(), installCommand())
	return cmd
}

// keyFlags name a secret key's password.
type keyFlags struct {
	globals
	key        string
	passwordFD int
	open       bool
}

func keygenCommand() *cobra.Command {
	var f keyFlags
	cmd := &cobra.Command{
		Use:   "keygen FILE",
		Short: "Make a key to sign bundles with",
		Long: `Make a pair of keys: FILE is the secret one, which a password protects, FILE.pub the
public one, which administrators pin. Neither takes the place of a file that is there.

Exit codes: 0, 1 the files can't be written, 6 a password is needed and nobody to ask.`,
		Args: one("keygen", "the file to write the secret key to"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.globals = globalsOf(cmd)
			return keygen(cmd.OutOrStdout(), args[0], &f)
		},
	}
	cmd.Flags().IntVar(&f.passwordFD, "password-fd", profile.NoFD, "a file descriptor to read the password from")
	cmd.Flags().BoolVar(&f.open, "no-password", false, "protect the secret key by its file's mode alone, as for a build machine")
	return cmd
}

func keygen(out io.Writer, path string, f *keyFlags) error {
	noCoreDumps()
	password := ""
	if !f.open {
		p, err := f.password("New password of the key", true)
		if err != nil {
			return err
		}
		password = string(p)
	}
	public, secret, err := bundle.GenerateKey(password)
	if err != nil {
		return err
	}
	defer clear(secret)
	if err := profile.WriteFile(path, secret, false); err != nil {
		return cantWrite(err)
	}
	if err := profile.WriteFile(path+".pub", public, false); err != nil {
		return cantWrite(err)
	}
	say(out, f.globals, fmt.Sprintf("%s is the secret key: keep it safe, and a copy of it. %s.pub is to be pinned.", path, path))
	return nil
}

// bundleFlags are the flags of bundle.
type bundleFlags struct {
	globals
	name, output string
	serial       int64
}

func bundleCommand() *cobra.Command {
	var f bundleFlags
	cmd := &cobra.Command{
		Use:   "bundle --name NAME --serial N --output FILE FILE…",
		Short: "Make a bundle of profiles and the files they name",
		Long: `Make a bundle of profiles, NAME.toml, and of the files that they name: certificates,
revocation lists. All of it is checked. A bundle takes the place of an installed one of its
name that has a lower serial, so that each version needs a higher one.

Secrets in the profiles are in the bundle, which isn't encrypted. On the machines such a
profile can be read by root alone.

Exit codes: 0, 1 the file can't be written, 7 a profile or option is wrong.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.globals = globalsOf(cmd)
			return makeBundle(cmd.OutOrStdout(), args, &f)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.name, "name", "", "the bundle's name")
	fs.Int64Var(&f.serial, "serial", 0, "its serial")
	fs.StringVarP(&f.output, "output", "o", "", "the file to write, NAME"+bundle.Suffix)
	return cmd
}

func makeBundle(out io.Writer, names []string, f *bundleFlags) error {
	noCoreDumps()
	if len(names) == 0 || f.name == "" || f.serial == 0 || f.output == "" {
		return usageError{errors.New("bundle wants --name, --serial, --output and at least one profile")}
	}
	var files []bundle.File
	for _, name := range names {
		data, err := readBounded(name)
		if err != nil {
			return usageError{err}
		}
		defer clear(data)
		files = append(files, bundle.File{Name: filepath.Base(name), Data: data})
	}
	data, err := bundle.New(f.name, f.serial, files)
	if err != nil {
		return badBundle(err)
	}
	defer clear(data)
	if err := profile.WriteFile(f.output, data, true); err != nil {
		return cantWrite(err)
	}
	say(out, f.globals, fmt.Sprintf("%s: %s, serial %d, %d files", f.output, f.name, f.serial, len(files)))
	return nil
}

func signCommand() *cobra.Command {
	var f keyFlags
	cmd := &cobra.Command{
		Use:   "sign BUNDLE --key FILE",
		Short: "Sign a bundle",
		Long: `Sign a bundle with a secret key of "postern profile keygen" or of minisign. The signature
is BUNDLE.minisig, which belongs beside the bundle.

Exit codes: 0, 1 the file can't be written, 2 the password is wrong, 6 a password is needed
and nobody to ask, 7 the bundle or the key is wrong.`,
		Args: one("sign", "one bundle"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.globals = globalsOf(cmd)
			return sign(cmd.OutOrStdout(), args[0], &f)
		},
	}
	cmd.Flags().StringVarP(&f.key, "key", "k", "", "the secret key's file")
	cmd.Flags().IntVar(&f.passwordFD, "password-fd", profile.NoFD, "a file descriptor to read the key's password from")
	return cmd
}

func sign(out io.Writer, path string, f *keyFlags) error {
	noCoreDumps()
	if f.key == "" {
		return usageError{errors.New("sign wants --key, the file of the secret key")}
	}
	data, err := readBounded(path)
	if err != nil {
		return usageError{err}
	}
	secret, err := readBounded(f.key)
	if err != nil {
		return usageError{err}
	}
	defer clear(secret)
	password := ""
	if bundle.Encrypted(secret) {
		p, err := f.password("Password of the key", false)
		if err != nil {
			return err
		}
		password = string(p)
	}
	signature, err := bundle.Sign(data, secret, password)
	if errors.Is(err, bundle.ErrKey) && password != "" {
		return &client.Reason{Code: "password", Exit: client.ExitCredentials, Message: sentence(err), Try: "Type the key's password again."}
	}
	if err != nil {
		return badBundle(err)
	}
	if err := profile.WriteFile(path+bundle.SignatureSuffix, signature, true); err != nil {
		return cantWrite(err)
	}
	if err := os.Chmod(path+bundle.SignatureSuffix, 0o644); err != nil {
		return err
	}
	say(out, f.globals, "Signed: "+path+bundle.SignatureSuffix)
	return nil
}

// password reads a key's password from the descriptor, or asks for it.
func (f *keyFlags) password(label string, twice bool) ([]byte, error) {
	if f.passwordFD != profile.NoFD {
		file := os.NewFile(uintptr(f.passwordFD), "password")
		if file == nil {
			return nil, usageError{fmt.Errorf("--password-fd %d isn't open", f.passwordFD)}
		}
		defer file.Close()
		data, err := io.ReadAll(io.LimitReader(file, 4096))
		if err != nil {
			return nil, usageError{fmt.Errorf("--password-fd: %w", err)}
		}
		line, _, _ := strings.Cut(string(data), "\n")
		return []byte(strings.TrimSuffix(line, "\r")), nil
	}
	first, err := askSecret(label)
	if err != nil || !twice {
		return first, err
	}
	again, err := askSecret("Once more")
	if err != nil {
		return nil, err
	}
	if string(first) != string(again) {
		return nil, usageError{errors.New("the passwords differ; nothing was written")}
	}
	return first, nil
}

// badBundle is an error in what a person gave.
func badBundle(err error) error {
	return &client.Reason{Code: "bundle", Exit: client.ExitProfile, Message: sentence(err)}
}

func cantWrite(err error) error {
	switch {
	case errors.Is(err, profile.ErrExists):
		return &client.Reason{Code: "exists", Exit: client.ExitOther, Message: sentence(err), Try: "Choose another name."}
	case errors.Is(err, fs.ErrPermission):
		return &client.Reason{Code: "not_permitted", Exit: client.ExitPermission, Message: sentence(err), Try: "Run it as an administrator."}
	}
	return err
}

// sentence is an error as a person reads it.
func sentence(err error) string {
	s := err.Error()
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// askSecret asks a person on the terminal.
func askSecret(label string) ([]byte, error) {
	answers, err := terminalPrompt()(context.Background(), prompt.Prompt{Fields: []prompt.Field{{Name: "password", Label: label, Kind: prompt.Secret, Min: 1}}})
	if err != nil {
		return nil, client.Explain(err)
	}
	return answers["password"], nil
}
