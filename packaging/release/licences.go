package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// allowed are the licences, by their SPDX identifiers, that dependencies may have: all let a program under BSD-3-Clause
// be passed on when their texts go with it. With MPL-2.0 changes of the module's own files would have to be published;
// there are none. OFL-1.1 and Bitstream-Vera are those of the window's fonts, which may go with a program, not be sold alone.
var allowed = []string{
	"MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "ISC", "Zlib", "MPL-2.0", "Unlicense OR BSD-3-Clause", "OFL-1.1", "Bitstream-Vera",
}

// module is a dependency that the programs contain.
type module struct {
	Path, Version, Dir string
	licence            string // an SPDX expression: the module's own, and those of what it holds of others
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

// licenceFile matches the names of files that say under which terms a module may be passed on, or what it holds of
// others: C sources, fonts.
var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|unlicense)([-_][\w-]+)?(\.(txt|md))?$`)

// noticeFile matches what goes with these: section 4 of the Apache licence wants notices passed on as well.
var noticeFile = regexp.MustCompile(`(?i)^(notice|patents)(\.(txt|md))?$`)

// aside are folders of a module that no program is built from.
var aside = []string{"testdata", "cmd", "examples", "_examples"}

// read finds the module's licences: in its root, and in folders below it.
func (m *module) read() error {
	var licences []string
	err := filepath.WalkDir(m.Dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && slices.Contains(aside, e.Name()):
			return fs.SkipDir
		case e.IsDir() || !licenceFile.MatchString(e.Name()) && !noticeFile.MatchString(e.Name()):
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		m.texts = append(m.texts, text)
		licence := recognize(text)
		switch {
		case noticeFile.MatchString(e.Name()) || slices.Contains(licences, licence):
		case licence == "":
			return fmt.Errorf("no licence is recognized in %s", path)
		case !slices.Contains(allowed, licence):
			return fmt.Errorf("%s in %s isn't among the licences that are allowed", licence, path)
		default:
			licences = append(licences, licence)
		}
		return nil
	})
	if err == nil && len(licences) == 0 {
		err = fmt.Errorf("no licence is found in %s", m.Dir)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", m.Path, m.Version, err)
	}
	m.licence = expression(licences)
	return nil
}

// expression joins licences that hold together, as SPDX writes it (SPDX 2.3, annex D).
func expression(licences []string) string {
	if len(licences) == 1 {
		return licences[0]
	}
	var all []string
	for _, l := range licences {
		if strings.Contains(l, " OR ") {
			l = "(" + l + ")"
		}
		all = append(all, l)
	}
	return strings.Join(all, " AND ")
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
	{"OFL-1.1", "sil open font license version 1.1"},
	{"Bitstream-Vera", "bitstream vera fonts copyright"},
	{"Zlib", "this software is provided 'as-is', without any express or implied warranty"},
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
		fmt.Fprintf(w, "%s %s: %s\n", m.Path, m.Version, m.licence)
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
