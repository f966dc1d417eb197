package profile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// systemFolder holds the profiles that an administrator put there.
func systemFolder() string { return filepath.Join(adminFolder(), "profiles.d") }

// Find returns the path of a profile. A string with a slash in it, or that ends
// with ".toml", is a file. Anything else is a name: NAME.toml is looked for in
// $XDG_CONFIG_HOME/postern/profiles ($XDG_CONFIG_HOME being ~/.config unless it
// is an absolute path), then in the folder profiles.d of AdminFolder. A managed profile
// comes before one of the user's own.
//
// Where there is none, the error wraps ErrNotFound and names the places; a
// string that can't be a name is an *Error.
func Find(nameOrFile string) (string, error) { return find(nameOrFile, systemFolder()) }

func find(nameOrFile, system string) (string, error) {
	if strings.ContainsAny(nameOrFile, "/"+string(filepath.Separator)) || strings.HasSuffix(nameOrFile, ".toml") {
		_, err := os.Stat(nameOrFile)
		if errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("%s: %w", nameOrFile, ErrNotFound)
		}
		return nameOrFile, err
	}
	if err := CheckName(nameOrFile); err != nil {
		return "", &Error{Problem: fmt.Sprintf("%q isn't a profile's name: %v", cutKey(nameOrFile), err)}
	}
	if isManaged(nameOrFile, system) {
		return filepath.Join(system, nameOrFile+".toml"), nil
	}
	var places []string
	for _, folder := range []string{userFolder(), system} {
		if folder == "" {
			continue
		}
		path := filepath.Join(folder, nameOrFile+".toml")
		_, err := os.Stat(path)
		if err == nil {
			return path, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		places = append(places, path)
	}
	return "", fmt.Errorf("%q: %w (neither %s)", nameOrFile, ErrNotFound, strings.Join(places, " nor "))
}

// userFolder is where a user's own profiles are, or "" for a user without a
// home (XDG Base Directory Specification 0.8: relative paths are ignored).
func userFolder() string {
	config := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(config) {
		home, err := os.UserHomeDir()
		if err != nil || !filepath.IsAbs(home) {
			return ""
		}
		config = filepath.Join(home, ".config")
	}
	return filepath.Join(config, "postern", "profiles")
}
