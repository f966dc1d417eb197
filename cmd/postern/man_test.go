package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra/doc"
)

// The manual pages are made of the help, and are as new as it.
func TestManPages(t *testing.T) {
	// A page says when it was written: with the same words, the same day.
	date := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
	root := newRoot()
	root.DisableAutoGenTag = true
	made := t.TempDir()
	if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Date: &date, Source: "postern", Manual: "Postern"}, made); err != nil {
		t.Fatal(err)
	}
	upToDate(t, made, filepath.Join("..", "..", "packaging", "man"), ".1")
}

// The shells' completions that packages install.
func TestCompletionScripts(t *testing.T) {
	made := t.TempDir()
	for shell, name := range map[string]string{"bash": "postern", "zsh": "_postern", "fish": "postern.fish"} {
		var b bytes.Buffer
		if err := writeCompletion(&b, newRoot(), shell); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(made, shell), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(made, shell, name), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		upToDate(t, filepath.Join(made, shell), filepath.Join("..", "..", "packaging", "completions", shell), "")
	}
}

// upToDate compares the files of a folder, those that end so, with those just made.
func upToDate(t *testing.T, made, kept, suffix string) {
	t.Helper()
	want, got := filesIn(t, made, suffix), filesIn(t, kept, suffix)
	if !*update {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s is stale; write it anew with: go test ./cmd/postern -run '%s' -update\n%s", kept, t.Name(), diff)
		}
		return
	}
	if err := os.MkdirAll(kept, 0o755); err != nil {
		t.Fatal(err)
	}
	for name := range got {
		if err := os.Remove(filepath.Join(kept, name)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range want {
		if err := os.WriteFile(filepath.Join(kept, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func filesIn(t *testing.T, folder, suffix string) map[string]string {
	t.Helper()
	out := map[string]string{}
	files, err := os.ReadDir(folder)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), suffix) && !f.IsDir() {
			data, err := os.ReadFile(filepath.Join(folder, f.Name()))
			if err != nil {
				t.Fatal(err)
			}
			out[f.Name()] = string(data)
		}
	}
	return out
}
