package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"postern/client"
	"postern/client/profile"
	"postern/client/prompt"
)

func editCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "edit NAME",
		Short: "Edit a profile, or write a new one",
		Long: `Edit a profile with $VISUAL or $EDITOR. You edit a copy that only you can read; it takes
the profile's place when it is right, and else you are told the line that is wrong and may
go on. A name that no profile has begins a new one. Of a profile that an administrator
manages you edit your changes: keys that aren't locked, in a file of yours.

Exit codes: 0 saved or unchanged, 1 the editor failed, 7 the profile is wrong and wasn't
saved, 8 not permitted.`,
		Args:              one("edit", "one profile, by its name"),
		ValidArgsFunction: completeOwn,
		RunE: func(cmd *cobra.Command, args []string) error {
			return edit(cmd.OutOrStdout(), globalsOf(cmd), args[0])
		},
	}
}

func edit(out io.Writer, g globals, name string) error {
	noCoreDumps()
	path, before, mode, err := toEdit(name)
	if err != nil {
		return client.Explain(err)
	}
	defer clear(before)
	draft, done, err := makeDraft(path, before)
	if err != nil {
		return err
	}
	defer done()
	for {
		after, err := editDraft(draft)
		if err != nil {
			return err
		}
		p, err := parseDraft(after, path)
		secrets := false
		if err == nil {
			secrets = len(p.Secrets()) > 0
			p.Clear()
		}
		switch {
		case bytes.Equal(after, before) && (err == nil || mode == 0):
			clear(after)
			say(out, g, "Nothing was changed.")
			return nil
		case err == nil:
			return save(out, g, path, before, after, mode, secrets)
		}
		fmt.Fprintln(os.Stderr, "postern:", complaint(err, draft, after))
		clear(after)
		if !goOn() {
			fmt.Fprintln(os.Stderr, "Nothing was saved.")
			return shown{client.ExitProfile}
		}
	}
}

// say tells a person what was done, unless they don't want to know.
func say(out io.Writer, g globals, text string) {
	if !g.quiet && !g.json {
		fmt.Fprintln(out, text)
	}
}

// toEdit is the file of a profile, what is in it, and its mode; 0 for a new one.
func toEdit(name string) (path string, text []byte, mode fs.FileMode, err error) {
	path, err = profile.Find(name)
	if errors.Is(err, profile.ErrNotFound) && profile.CheckName(name) == nil && profile.UserFolder() != "" {
		return filepath.Join(profile.UserFolder(), name+".toml"), []byte(blank), 0, nil
	}
	if err != nil {
		return "", nil, 0, err
	}
	if changes := ownChanges(name, path); changes != "" {
		path = changes
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, []byte(blankChanges(name)), 0, nil
	}
	if err != nil {
		return "", nil, 0, err
	}
	if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
		f.Close()
	} else if errors.Is(err, fs.ErrPermission) {
		return "", nil, 0, &client.Reason{Code: "not_permitted", Exit: client.ExitPermission, Message: path + " isn't yours to change.", Try: "Run: sudo postern edit " + name}
	}
	text, err = os.ReadFile(path)
	return path, text, info.Mode().Perm(), err
}

// blank is what a new profile begins with.
const blank = `# A profile of postern. Only gateway has to be there; "postern show --all NAME" lists all
# keys with their values, those that aren't here with their defaults.

gateway = ""            # a name or an address

# mode = "aggressive"   # if your administrator named a group
# identity = ""         # the group's name
# user = ""

# The group's pre-shared key and the password are asked for, unless they are kept:
#     postern secret set NAME secret
#     postern secret set NAME password

# ike = ["aes256-sha1-modp1024"]   # what an old gateway may want
# esp = ["aes256-sha1"]
# networks = ["10.0.0.0/8"]        # beside those that the gateway names
`

// makeDraft writes a copy where only this person can read it, and what an editor puts
// beside it, too.
func makeDraft(path string, text []byte) (draft string, done func(), err error) {
	folder, err := os.MkdirTemp("", "postern-edit-") // mode 0700
	if err != nil {
		return "", nil, err
	}
	draft = filepath.Join(folder, filepath.Base(path))
	if err := os.WriteFile(draft, text, 0o600); err != nil {
		os.RemoveAll(folder)
		return "", nil, err
	}
	return draft, func() { os.RemoveAll(folder) }, nil
}

// editDraft lets a person edit, and returns what became of it.
func editDraft(draft string) ([]byte, error) {
	words := editor()
	cmd := exec.Command(words[0], append(words[1:], draft)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, &client.Reason{
			Code: "editor", Exit: client.ExitOther, Message: fmt.Sprintf("The editor %s failed: %v. Nothing was saved.", words[0], err),
			Try: "Name another one: EDITOR=nano postern edit …",
		}
	}
	return os.ReadFile(draft)
}

// editor is the person's editor, with its arguments.
func editor() []string {
	for _, v := range []string{"VISUAL", "EDITOR"} {
		if words := strings.Fields(os.Getenv(v)); len(words) > 0 {
			return words
		}
	}
	for _, name := range usualEditors {
		if path, err := exec.LookPath(name); err == nil {
			return []string{path}
		}
	}
	return []string{"vi"}
}

// complaint is what is wrong with a draft, with the line that is.
func complaint(err error, draft string, text []byte) string {
	var bad *profile.Error
	if !errors.As(err, &bad) {
		return err.Error()
	}
	at := *bad
	at.File = filepath.Base(draft)
	out := at.Error()
	lines := strings.Split(string(text), "\n")
	if at.Line < 1 || at.Line > len(lines) || profile.IsSecret(at.Key) || at.Key == "" {
		return out
	}
	return out + "\n    " + prompt.Clean(lines[at.Line-1], 200)
}

// goOn asks whether the person wants to go on editing.
func goOn() bool {
	answers, err := terminalPrompt()(context.Background(), prompt.Prompt{Fields: []prompt.Field{{Name: "again", Label: "Edit it again", Kind: prompt.YesNo, Default: "yes"}}})
	return err == nil && (len(answers["again"]) == 0 || string(answers["again"]) == "yes")
}

// save puts the draft in the profile's place, unless somebody changed that meanwhile.
func save(out io.Writer, g globals, path string, before, after []byte, mode fs.FileMode, secrets bool) error {
	defer clear(after)
	if now, err := os.ReadFile(path); mode != 0 && (err != nil || !bytes.Equal(now, before)) {
		return &client.Reason{Code: "changed", Exit: client.ExitOther, Message: path + " was changed by somebody else meanwhile. Nothing was saved.", Try: "Edit it again."}
	}
	if err := profile.WriteFile(path, after, mode != 0); err != nil {
		return err
	}
	if mode != 0 && !secrets { // as it was before; with a secret it is for its owner alone
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
	}
	say(out, g, "Saved "+shorten(path))
	return nil
}
