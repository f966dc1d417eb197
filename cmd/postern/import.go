package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"

	"postern/client"
	"postern/client/localapi"
	"postern/client/person"
	"postern/client/profile"
	"postern/client/profile/formats"
	"postern/client/prompt"
	"postern/client/secret"
)

// importFlags are the flags of import.
type importFlags struct {
	globals
	dryRun, replace bool
	name            string
}

func importCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import FILE…",
		Short: "Bring profiles of other clients",
		Long: `Bring profiles of other clients; what a file is, its contents say. Give files that
belong together (a configuration and its secrets, a profile and its certificates) at once.

` + wrap(strings.Join(formats.Readable(), ", ")+".", "Formats: ", 88) + `
Secrets go to your keyring, where there is one, else to files of yours beside the
profile. Importing a file again updates what it gave before.

Exit codes: 0 at least one profile was understood, 1 a profile couldn't be stored,
7 none was understood, or is there already and not from this file.`,
		Example: `  postern import office.pcf
  postern import ipsec.conf ipsec.secrets --dry-run
  postern import office.pcf --name "head office"`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("import wants one file or several")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.globals = globalsOf(cmd)
			return importFiles(cmd.OutOrStdout(), args, &f)
		},
	}
	fs := cmd.Flags()
	fs.BoolVarP(&f.dryRun, "dry-run", "n", false, "tell what would come of it, and store nothing")
	fs.BoolVar(&f.replace, "replace", false, "replace profiles of the same name that came from elsewhere")
	fs.StringVar(&f.name, "name", "", "what to call the profile, if there is one only")
	return cmd
}

func importFiles(out io.Writer, names []string, f *importFlags) error {
	noCoreDumps()
	files, err := readFiles(names)
	if err != nil {
		return err
	}
	result, err := formats.Import(files)
	for _, file := range files {
		clear(file.Data)
	}
	if err != nil {
		return &client.Reason{Code: "not_understood", Exit: client.ExitProfile, Message: strings.ReplaceAll(err.Error(), "\n", "\npostern: ")}
	}
	if f.name != "" {
		if len(result.Profiles) != 1 {
			return usageError{fmt.Errorf("--name is for one profile, and there are %d", len(result.Profiles))}
		}
		if err := profile.CheckName(f.name); err != nil {
			return usageError{fmt.Errorf("--name: %w", err)}
		}
		result.Profiles[0].Profile.Name = f.name
	}
	i := importing{
		importFlags: f,
		store:       person.Store{Folder: profile.UserFolder(), Keyring: secret.Available() == nil, DryRun: f.dryRun, Replace: f.replace},
	}
	var stored []*storedProfile
	for n := range result.Profiles {
		summary := profileSummary(result.Profiles[n].Profile)
		s := i.store.Import(&result.Profiles[n])
		if bad, ok := errors.AsType[*profile.Error](s.Err); ok {
			s.Err = client.Explain(bad)
		}
		stored = append(stored, &storedProfile{s, summary})
		result.Profiles[n].Profile.Clear()
	}
	if f.json {
		err = json.NewEncoder(out).Encode(i.json(result, stored))
	} else {
		_, err = io.WriteString(out, i.text(result, stored, f.colours(out)))
	}
	if err != nil {
		return err
	}
	if f.dryRun {
		return nil // understood is what counts
	}
	return importExit(stored)
}

// readFiles reads the files to import, "-" being standard input.
func readFiles(names []string) ([]formats.File, error) {
	var out []formats.File
	for _, name := range names {
		var data []byte
		var err error
		if name == "-" {
			name = "standard input"
			data, err = io.ReadAll(io.LimitReader(os.Stdin, maxImport+1))
		} else {
			data, err = readBounded(name)
		}
		if err != nil {
			return nil, usageError{err}
		}
		out = append(out, formats.File{Name: filepath.Base(name), Data: data})
	}
	return out, nil
}

// maxImport bounds a file to import, in octets; package formats has a smaller bound, and
// words for it.
const maxImport = 4 << 20

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%s isn't a file", name))
	}
	return io.ReadAll(io.LimitReader(f, maxImport+1))
}

// importing is one import.
type importing struct {
	*importFlags
	store person.Store
}

// storedProfile is what became of a profile, and the profile in a line.
type storedProfile struct {
	*person.Stored
	summary string
}

// profileSummary is a profile in a line.
func profileSummary(p *profile.Profile) string {
	out := p.Gateway.String() + ", " + string(p.Mode) + " mode, " + string(p.Auth)
	if p.Identity != "" && p.IdentityType != profile.TypeDN {
		out += ", as " + strconv.Quote(p.Identity)
	}
	if p.User != "" {
		out += ", user " + strconv.Quote(p.User)
	}
	return strings.TrimSpace(out)
}

// importExit is the exit code of what was stored.
func importExit(stored []*storedProfile) error {
	worst := 0
	for _, s := range stored {
		var r *client.Reason
		switch {
		case s.Err == nil:
			return nil
		case errors.As(s.Err, &r):
			worst = r.Exit
		default:
			worst = client.ExitOther
		}
	}
	return shown{worst}
}

// importedJSON is what import prints as JSON.
type importedJSON struct {
	Profiles []map[string]any      `json:"profiles"` // by the keys of a profile; without secrets
	Warnings []string              `json:"warnings"`
	Ignored  []string              `json:"ignored"`
	Guessed  []string              `json:"guessed"`
	Weak     []string              `json:"weak"`
	Secrets  []person.StoredSecret `json:"secrets"`
	Stored   []storedJSON          `json:"stored"`
}

// storedJSON is where a profile went.
type storedJSON struct {
	Profile string `json:"profile"`
	Format  string `json:"format"`
	Source  string `json:"source"`
	File    string `json:"file,omitempty"` // "" in a dry run, and where Error says why not
	Error   string `json:"error,omitempty"`
}

func (i *importing) json(r *formats.Result, stored []*storedProfile) importedJSON {
	out := importedJSON{
		Profiles: []map[string]any{}, Warnings: noteTexts(r.Warnings), Ignored: noteTexts(r.Ignored),
		Guessed: []string{}, Weak: []string{}, Secrets: []person.StoredSecret{}, Stored: []storedJSON{},
	}
	for n, s := range stored {
		p := r.Profiles[n]
		keys := map[string]any{}
		_ = toml.Unmarshal(s.TOML, &keys) // which we wrote
		out.Profiles = append(out.Profiles, keys)
		out.Warnings = append(out.Warnings, noteTexts(p.Warnings)...)
		out.Ignored = append(out.Ignored, noteTexts(p.Ignored)...)
		out.Guessed = append(out.Guessed, noteTexts(p.Guessed)...)
		out.Weak = append(out.Weak, noteTexts(p.Weak)...)
		j := storedJSON{Profile: s.Name, Format: p.Format, Source: p.Source, File: s.File}
		if s.Err != nil {
			j.Error = s.Err.Error()
		}
		if s.Err == nil || i.dryRun {
			out.Secrets = append(out.Secrets, s.Secrets...)
		}
		out.Stored = append(out.Stored, j)
	}
	return out
}

func noteTexts(notes []formats.Note) []string {
	out := []string{}
	for _, n := range notes {
		out = append(out, noteText(n))
	}
	return out
}

// noteText reads "office.pcf:7: enc_GroupPwd: is damaged".
func noteText(n formats.Note) string {
	var b strings.Builder
	if n.File != "" {
		b.WriteString(n.File)
		if n.Line > 0 {
			b.WriteString(":" + strconv.Itoa(n.Line))
		}
		b.WriteString(": ")
	}
	if n.Key != "" {
		b.WriteString(n.Key + ": ")
	}
	return prompt.Clean(b.String()+n.Text, 1000)
}

// text is what a person reads of an import.
func (i *importing) text(r *formats.Result, stored []*storedProfile, colours palette) string {
	var b strings.Builder
	row := func(name, style, text string) {
		fmt.Fprintf(&b, "  %s%s %s\n", colours.paint(style, name), strings.Repeat(" ", max(0, 9-len(name))), text)
	}
	rows := func(name, style string, notes []formats.Note) {
		for _, n := range notes {
			row(name, style, noteText(n))
		}
	}
	var up []string
	for n, s := range stored {
		p := r.Profiles[n]
		fmt.Fprintf(&b, "%s: %s, from %s\n", colours.paint(bold, s.Name), s.summary, prompt.Clean(p.Source, 200)+" ("+p.Format+")")
		switch {
		case s.Err != nil && i.dryRun:
			row("warning", yellow, s.Err.Error())
		case s.Err != nil:
			row("failed", red, s.Err.Error())
		case i.dryRun:
		default:
			row(s.How, green, shorten(s.File))
			up = append(up, "postern up "+localapi.Word(s.Name))
		}
		if s.Err == nil || i.dryRun {
			for _, where := range []string{"keyring", "file", "profile"} {
				if kinds := s.kept(where); len(kinds) > 0 {
					row("secret", "", phrase(kinds)+": "+map[string]string{"keyring": "in your keyring", "file": "in a file of yours beside the profile", "profile": "in the profile, which only you can read"}[where])
				}
			}
		}
		if !i.quiet {
			rows("guessed", "", p.Guessed)
			rows("weak", yellow, p.Weak)
			rows("ignored", dim, p.Ignored)
		}
		rows("warning", yellow, p.Warnings)
	}
	if !i.quiet {
		rows("ignored", dim, r.Ignored)
	}
	rows("warning", yellow, r.Warnings)
	if len(up) > 0 && !i.quiet {
		fmt.Fprintf(&b, "To connect: %s\n", up[0])
	}
	if i.dryRun && !i.quiet {
		b.WriteString("Nothing was stored.\n")
	}
	return b.String()
}

// kept are the kinds of secrets that went somewhere.
func (s *storedProfile) kept(where string) (kinds []string) {
	for _, k := range s.Secrets {
		if k.Stored == where {
			kinds = append(kinds, k.Kind)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}
