//go:build linux

package main_test

import (
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postern/gui"
)

const packaged = "../../packaging/desktop"

// TestDesktopEntry holds the desktop's files to their specifications, and to each other.
func TestDesktopEntry(t *testing.T) {
	file := func(suffix string) string { return filepath.Join(packaged, gui.ID+suffix) }
	for _, check := range [][]string{
		{"desktop-file-validate", file(".desktop")},
		{"appstreamcli", "validate", "--no-net", file(".metainfo.xml")},
	} {
		t.Run(check[0], func(t *testing.T) {
			need(t, check[0])
			if out, err := exec.Command(check[0], check[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	entry := keys(t, file(".desktop"))
	if entry["StartupWMClass"] != gui.ID || entry["Icon"] != gui.ID || entry["Exec"] != "postern-gui %F" {
		t.Errorf("the entry is %q", entry)
	}
	types := strings.Split(strings.Trim(entry["MimeType"], ";"), ";")
	var info struct {
		Types []struct {
			Type string `xml:"type,attr"`
		} `xml:"mime-type"`
	}
	decode(t, file(".xml"), &info)
	for _, m := range info.Types {
		if !slices.Contains(types, m.Type) {
			t.Errorf("the entry doesn't open %s", m.Type)
		}
	}
	var component struct {
		Types []string `xml:"provides>mediatype"`
	}
	decode(t, file(".metainfo.xml"), &component)
	if !slices.Equal(component.Types, types) {
		t.Errorf("the description has %q, the entry %q", component.Types, types)
	}
}

// keys are those of a desktop entry.
func keys(t *testing.T, path string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]string)
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			all[key] = value
		}
	}
	return all
}

func decode(t *testing.T, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}
