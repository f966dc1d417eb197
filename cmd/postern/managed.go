package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"postern/client/localapi"
	"postern/client/profile"
)

// changesDocument is a person's changes of a managed profile, for the service.
func changesDocument(name, path string) (*localapi.Document, error) {
	p, ignored, err := profile.Open(filepath.Join(profile.SystemFolder(), name+".toml"))
	if err == nil {
		p.Clear()
		tellIgnored(name, ignored)
	} // else the service says it, which may read what this person can't
	parts, err := profile.ReadChanges(path)
	if err != nil {
		return nil, err
	}
	return &localapi.Document{Name: name, TOML: string(parts.TOML), Secrets: octetsOf(parts.Secrets), Files: octetsOf(parts.Files)}, nil
}

// tellIgnored says which of a person's changes don't count.
func tellIgnored(name string, keys []string) {
	if len(keys) > 0 {
		fmt.Fprintf(os.Stderr, "postern: %s: what %s says of %s doesn't count: your administrator locked it\n",
			name, shorten(profile.Changes(name)), strings.Join(keys, ", "))
	}
}

// ownChanges is where a person's changes of a managed profile are, or will be; "" for a
// profile that isn't managed or that this person may write to.
func ownChanges(name, path string) string {
	if !isSystem(path) || profile.UserFolder() == "" {
		return ""
	}
	if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
		f.Close()
		return ""
	}
	p, _, err := profile.Open(path)
	if err != nil {
		return ""
	}
	defer p.Clear()
	if p.Policy == nil {
		return ""
	}
	return filepath.Join(profile.UserFolder(), name+".toml")
}

// blankChanges is what a person's changes of a managed profile begin with.
func blankChanges(name string) string {
	return "# Your changes of the profile " + strconv.Quote(name) + ", which your administrator manages:\n" +
		"# keys that aren't locked, such as\n\n# user = \"\"\n\n# To see all of it: postern show " + localapi.Word(name) + "\n"
}

// parseDraft reads what a person edited: a profile, or their changes of a managed one.
func parseDraft(text []byte, path string) (*profile.Profile, error) {
	name := strings.TrimSuffix(filepath.Base(path), ".toml")
	system := filepath.Join(profile.SystemFolder(), name+".toml")
	if m, err := profile.Load(system); err == nil && filepath.Dir(path) == profile.UserFolder() {
		defer m.Clear()
		if m.Policy != nil {
			return parseChanges(m, text, path)
		}
	}
	p, err := profile.Parse(text, path)
	if err != nil || isSystem(path) {
		return p, err
	}
	if err := profile.Permit(p); err != nil {
		p.Clear()
		return nil, err
	}
	return p, nil
}

func parseChanges(m *profile.Profile, text []byte, path string) (*profile.Profile, error) {
	p, ignored, err := m.Change(text, path)
	if err == nil && len(ignored) > 0 {
		p.Clear()
		return nil, &profile.Error{File: path, Key: ignored[0], Problem: "is locked by your administrator"}
	}
	return p, err
}
