package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// allowed are the licences, by their SPDX identifiers, that dependencies may have: all let a program under BSD-3-Clause
// be passed on when their texts go with it. With MPL-2.0 changes of the module's own files would have to be published;
// there are none.
var allowed = []string{"MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "ISC", "MPL-2.0", "Unlicense OR BSD-3-Clause"}

// module is a dependency that the programs contain.
type module struct {
	Path, Version, Dir string
	licence            string // by its SPDX identifier
	texts              [][]byte
}

// dependencies are the modules that the programs for all systems contain, with their licences. It fails when one of
// these isn't allowed, or isn't recognized.
func dependencies() ([]module, error) {
	found := map[string]module{}
	for _, system := range []string{"linux", "darwin", "windows"} {
		out, err := run(".", "GOOS="+system, "CGO_ENABLED=1", "go", "list", "-deps", "-tags", "gui", "-json=Module", "./cmd/...")
		if err != nil {
			return nil, err
		}
		for d := json.NewDecoder(strings.NewReader(out)); ; {
			var p struct {
				Module *struct {
					module
					Main bool
				}
			}
			if err := d.Decode(&p); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			if p.Module != nil && !p.Module.Main {
				found[p.Module.Path] = p.Module.module
			}
		}
	}
	var all []module
	var errs []error
	for _, m := range found {
		errs = append(errs, m.read())
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b module) int { return cmp.Compare(a.Path, b.Path) })
	return all, errors.Join(errs...)
}

// licenceFile matches the names of files that say under which terms a module may be passed on, notices included, which
// section 4 of the Apache licence wants passed on as well.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense|notice|patents)(\.(txt|md))?$`)

// read finds the module's licence.
func (m *module) read() error {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return fmt.Errorf("%s: its source isn't here: %w", m.Path, err)
	}
	for _, e := range entries {
		if !licenceFile.MatchString(e.Name()) || e.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, e.Name()))
		if err != nil {
			return err
		}
		m.texts = append(m.texts, text)
		if m.licence == "" {
			m.licence = recognize(text)
		}
	}
	switch {
	case m.licence == "":
		return fmt.Errorf("%s %s: no licence is recognized in %s", m.Path, m.Version, m.Dir)
	case !slices.Contains(allowed, m.licence):
		return fmt.Errorf("%s %s: %s isn't among the licences that are allowed", m.Path, m.Version, m.licence)
	}
	return nil
}

// marks are sentences that only one licence has, in the order in which they are looked for.
var marks = []struct{ licence, text string }{
	{"AGPL-3.0", "gnu affero general public license"},
	{"LGPL", "gnu lesser general public license"},
	{"GPL", "gnu general public license"},
	{"MPL-2.0", "mozilla public license version 2.0"},
	{"Apache-2.0", "apache license version 2.0, january 2004"},
	{"Unlicense OR BSD-3-Clause", "spdx-license-identifier: unlicense or bsd-3-clause"},
	{"MIT", "to deal in the software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense"},
	{"BSD-3-Clause", "endorse or promote products derived from this software without"},
	{"BSD-2-Clause", "redistribution and use in source and binary forms, with or without modification, are permitted"},
	{"ISC", "permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted"},
	{"ISC", "permission to use, copy, modify, and distribute this software for any purpose with or without fee is hereby granted"},
}

// recognize names the licence that a text is, "" for none that it knows.
func recognize(text []byte) string {
	words := strings.Join(strings.Fields(strings.ToLower(string(text))), " ")
	// The Mozilla licence names those of GNU.
	if strings.HasPrefix(words, "mozilla public license version 2.0") {
		return "MPL-2.0"
	}
	for _, m := range marks {
		if strings.Contains(words, m.text) {
			return m.licence
		}
	}
	return ""
}

// printLicences lists them: one module a line.
func printLicences(w io.Writer) error {
	all, err := dependencies()
	for _, m := range all {
		fmt.Fprintf(w, "%-14s %s %s\n", m.licence, m.Path, m.Version)
	}
	return err
}

// notices are the texts that go with the programs.
func notices() ([]byte, error) {
	all, err := dependencies()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString("The programs of postern contain these modules, each under its own licence. They are made with Go, whose\nstandard library is under the licence of golang.org/x/crypto below.\n")
	for _, m := range all {
		fmt.Fprintf(&b, "\n%s\n%s %s: %s\n\n", strings.Repeat("=", 78), m.Path, m.Version, m.licence)
		for _, text := range m.texts {
			b.Write(bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))))
			b.WriteString("\n")
		}
	}
	return b.Bytes(), nil
}
