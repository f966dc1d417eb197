package gui

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// The desktop starts what lies in this folder (Desktop Application Autostart
// Specification).
func autostartFile() (string, error) {
	config, err := os.UserConfigDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(config, "autostart", ID+".desktop"), nil
}

func startsAtLogin() bool {
	path, err := autostartFile()
	if err != nil {
		return false
	}
	_, err = os.Stat(path)
	return err == nil
}

func startAtLogin(on bool) error {
	path, err := autostartFile()
	if err != nil {
		return err
	}
	if !on {
		if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte("[Desktop Entry]\nType=Application\nName=postern\nIcon="+ID+"\nExec="+execQuote(program)+" --hidden\n"), 0o644)
}

// execQuote writes an argument of the key Exec (Desktop Entry Specification 1.5).
func execQuote(s string) string {
	out := []rune{'"'}
	for _, r := range s {
		switch r {
		case '"', '`', '$', '\\':
			out = append(out, '\\', '\\') // the string's escape, then Exec's
			if r == '\\' {
				out = append(out, '\\')
			}
		case '%':
			out = append(out, '%')
		}
		out = append(out, r)
	}
	return string(append(out, '"'))
}
