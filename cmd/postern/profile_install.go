package main

import (
	"encoding/json"
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
)

// verifyFlags are the flags of verify.
type verifyFlags struct {
	globals
	key string
}

func verifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify BUNDLE",
		Short: "Say who vouches for a bundle, and what is in it",
		Long: `Verify a bundle's signature with the keys that are pinned on this machine, or with the one
that --key names, and list its profiles. Nothing is installed.

Exit codes: 0 a key vouches for it, 7 none does, or it isn't a sound bundle.`,
		Args: one("verify", "one bundle"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.globals = globalsOf(cmd)
			return verify(cmd.OutOrStdout(), args[0], &f)
		},
	}
	cmd.Flags().StringVarP(&f.key, "key", "k", "", "a public key's file, in place of the pinned ones")
	return cmd
}

// verifiedJSON is what verify prints as JSON.
type verifiedJSON struct {
	Schema   int      `json:"schema"`
	Bundle   string   `json:"bundle"`
	Serial   int64    `json:"serial"`
	Key      string   `json:"key"`
	From     string   `json:"from"` // where the key is pinned
	Profiles []string `json:"profiles"`
}

func verify(out io.Writer, path string, f *verifyFlags) error {
	keys, err := f.keys()
	if err != nil {
		return badBundle(err)
	}
	data, signature, err := bundle.Read(path)
	if err != nil {
		return badBundle(err)
	}
	key, err := bundle.Verify(data, signature, keys)
	if err != nil {
		return badBundle(err)
	}
	b, err := bundle.Parse(data)
	if err != nil {
		return badBundle(err)
	}
	defer b.Clear()
	v := verifiedJSON{Schema: 1, Bundle: b.Name, Serial: b.Serial, Key: key.String(), From: key.From, Profiles: []string{}}
	for _, p := range b.Profiles {
		v.Profiles = append(v.Profiles, p.Name)
	}
	if f.json {
		return json.NewEncoder(out).Encode(v)
	}
	say(out, f.globals, fmt.Sprintf("%s: %s, serial %d, signed with the key %s (%s): %s", path, v.Bundle, v.Serial, v.Key, shorten(v.From), strings.Join(v.Profiles, ", ")))
	return nil
}

func (f *verifyFlags) keys() ([]bundle.Key, error) {
	if f.key == "" {
		return bundle.Pinned()
	}
	text, err := readBounded(f.key)
	if err != nil {
		return nil, err
	}
	k, err := bundle.ParseKey(text, f.key)
	return []bundle.Key{k}, err
}

// installFlags are the flags of install.
type installFlags struct {
	globals
	dryRun           bool
	folder, stateDir string
}

func installCommand() *cobra.Command {
	var f installFlags
	cmd := &cobra.Command{
		Use:     "install BUNDLE|FOLDER…",
		Aliases: []string{"refresh"},
		Short:   "Install bundles for all people of this machine",
		Long: `Install bundles, or all those in a folder such as a file share's (*` + bundle.Suffix + `), when a pinned
key vouches for them. A bundle's profiles and files take the place of those of its earlier
serial in ` + profile.SystemFolder() + `; what it no longer has is removed, and what
isn't a bundle's is left alone. A bundle that is older than what is installed is refused.

It needs no person: call it from a timer or from configuration management as often as you
like. What is as it should be isn't touched.

Exit codes: 0 all is installed, 1 other failure, 7 a bundle is wrong, older or nobody
vouches for it, 8 not permitted.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.globals = globalsOf(cmd)
			return install(cmd.OutOrStdout(), args, &f)
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&f.dryRun, "dry-run", false, "say what would be done, and do nothing")
	fs.StringVar(&f.folder, "folder", "", "where to install (default "+profile.SystemFolder()+")")
	fs.StringVar(&f.stateDir, "state-dir", "", "where to remember serials (default "+profile.StateFolder()+")")
	return cmd
}

// installedJSON is what install prints as JSON for a bundle.
type installedJSON struct {
	File    string   `json:"file"`
	Bundle  string   `json:"bundle,omitempty"`
	Serial  int64    `json:"serial,omitempty"`
	Key     string   `json:"key,omitempty"`
	Added   []string `json:"added,omitempty"`
	Changed []string `json:"changed,omitempty"`
	Removed []string `json:"removed,omitempty"`
	Error   string   `json:"error,omitempty"`
}

func install(out io.Writer, paths []string, f *installFlags) error {
	noCoreDumps()
	if len(paths) == 0 {
		return usageError{errors.New("install wants a bundle, or a folder of them")}
	}
	keys, err := bundle.Pinned()
	if err != nil {
		return badBundle(err)
	}
	i := &bundle.Installer{Keys: keys, Folder: f.folder, State: filepath.Join(f.stateDir, "bundles.toml"), DryRun: f.dryRun}
	if f.folder == "" {
		i.Folder = profile.SystemFolder()
	}
	if f.stateDir == "" {
		i.State = filepath.Join(profile.StateFolder(), "bundles.toml")
	}
	var all []installedJSON
	exit := 0
	for _, path := range paths {
		found, err := bundle.Find(path)
		if err != nil {
			all = append(all, installedJSON{File: path, Error: err.Error()})
			exit = max(exit, exitOfInstall(err))
		}
		for _, file := range found {
			did, err := installOne(i, file)
			all = append(all, did)
			exit = max(exit, exitOfInstall(err))
		}
	}
	if f.json {
		if err := json.NewEncoder(out).Encode(struct {
			Schema  int             `json:"schema"`
			Bundles []installedJSON `json:"bundles"`
		}{1, all}); err != nil {
			return err
		}
	} else {
		f.tell(out, all)
	}
	if exit != 0 {
		return shown{exit}
	}
	return nil
}

func installOne(i *bundle.Installer, path string) (installedJSON, error) {
	did := installedJSON{File: path}
	data, signature, err := bundle.Read(path)
	var r *bundle.Report
	if err == nil {
		r, err = i.Install(data, signature)
	}
	if err != nil {
		did.Error = err.Error()
		return did, err
	}
	did.Bundle, did.Serial, did.Key, did.Added, did.Changed, did.Removed = r.Bundle, r.Serial, r.Key, r.Added, r.Changed, r.Removed
	return did, nil
}

// exitOfInstall is the exit code of one bundle.
func exitOfInstall(err error) int {
	var system *fs.PathError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, fs.ErrPermission):
		return client.ExitPermission
	case errors.As(err, &system):
		return client.ExitOther
	}
	return client.ExitProfile
}

// tell says what was done: what goes wrong always, the rest unless nobody wants to know.
func (f *installFlags) tell(out io.Writer, all []installedJSON) {
	would := ""
	if f.dryRun {
		would = "would be "
	}
	for _, did := range all {
		if did.Error != "" {
			fmt.Fprintf(os.Stderr, "postern: %s: %s\n", did.File, did.Error)
			continue
		}
		var parts []string
		for _, p := range []struct {
			what  string
			files []string
		}{{"added", did.Added}, {"changed", did.Changed}, {"removed", did.Removed}} {
			if len(p.files) > 0 {
				parts = append(parts, would+p.what+": "+strings.Join(p.files, ", "))
			}
		}
		if parts == nil {
			parts = []string{"as it is installed"}
		}
		say(out, f.globals, fmt.Sprintf("%s, serial %d: %s", did.Bundle, did.Serial, strings.Join(parts, "; ")))
	}
	if len(all) == 0 {
		say(out, f.globals, "There is no bundle there.")
	}
}
