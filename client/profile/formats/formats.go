// Package formats reads the profiles of other clients, and writes some of them.
//
// Every importer is one file with one value in the table importers. It recognises its
// files by what is in them, never by their suffix, and fills drafts. It reads what it
// is given and nothing else: no include is followed, no file opened, nothing executed.
//
// Files: formats.go Import; text.go encodings and bounds; reading.go and draft.go what
// importers write into; note.go what a person is told; export.go Export; one file for
// each format.
//
// Files of other clients aren't trusted, so this runs in a person's own process, never
// in the daemon.
package formats

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"postern/client/profile"
)

// File is a file to import.
type File struct {
	Name string // base name, for messages and to find the files that another one names
	Data []byte // not kept, not changed
}

// Note is what a person reads about one place in a file. It never contains a secret,
// and no control characters.
type Note struct {
	File string // base name
	Line int    // from 1; 0 where no single line is meant
	Key  string // as that format spells it; "" where no key is meant
	Text string // a sentence, or the rest of one that begins with the key
}

// Imported is one connection.
type Imported struct {
	// Profile is complete and checked, with the secrets that were found in it: Secret,
	// Password, KeyPassphrase. Where a file was inside another one, or was given with
	// it, Files has its contents, and the path beside it (Certificate, Key, CA, …) is
	// a file name without a folder, under which the contents are to be stored beside
	// the profile.
	Profile *profile.Profile

	Format string // one of Readable
	Source string // the file, and the connection in it where it has several

	Guessed  []Note // what the file doesn't say, or says in a way that has two meanings
	Weak     []Note // what is weak in it
	Ignored  []Note // what has no place in a profile, or no use
	Warnings []Note // what was wanted and can't be had
}

// Result is all that was understood.
type Result struct {
	Profiles []Imported

	// Warnings and Ignored are those that belong to no profile.
	Warnings, Ignored []Note
}

// importer reads one format. It has either read or refuse.
type importer struct {
	name      string
	recognise func(f *text) bool

	// read gets all files that it recognised, and calls r.draft for every connection
	// in them, or r.refuse. Files that nobody recognised, such as those with
	// certificates or secrets, are in r.companions.
	read func(r *reading, files []*text)

	// refuse is a sentence for a format that is known and can't be used: what it is,
	// and what to do.
	refuse string
}

// importers are asked in this order whether a file is theirs.
var importers = slices.Concat([]importer{
	pcf, shrew, networkManager, vpnc, vpncbar,
	mobileconfig, forticlient, fritzboxBackup, fritzbox, swanctl, libreswan, strongswan, racoon,
}, refused, []importer{ours})

// Readable lists the names of the formats that Import reads.
func Readable() []string {
	var out []string
	for _, i := range importers {
		if i.read != nil && !slices.Contains(out, i.name) {
			out = append(out, i.name)
		}
	}
	return out
}

// maxFiles bounds how many files Import takes. Chosen here.
const maxFiles = 64

// Import reads files that belong together, or don't: each is recognised for itself.
// The error says of every file why it is of no use, and is there only where nothing at
// all was understood; it is, or joins, *profile.Error.
func Import(files []File) (*Result, error) {
	if len(files) > maxFiles {
		return nil, &profile.Error{Problem: fmt.Sprintf("%d files are too many at once; at most %d are read", len(files), maxFiles)}
	}
	r := &reading{}
	for i, mine := range r.sort(files) {
		if len(mine) == 0 {
			continue
		}
		if importers[i].refuse != "" {
			for _, f := range mine {
				r.refuse(f, importers[i].refuse)
			}
			continue
		}
		r.format = importers[i].name
		importers[i].read(r, mine)
	}
	r.unused()
	if len(r.out.Profiles) == 0 {
		return nil, r.failure()
	}
	return &r.out, nil
}

// sort gives each importer its files, and r.companions the others.
func (r *reading) sort(files []File) [][]*text {
	sorted := make([][]*text, len(importers))
	for _, file := range files {
		f, err := decode(file)
		if err != nil {
			r.refuse(f, err.Error())
			continue
		}
		i := slices.IndexFunc(importers, func(i importer) bool { return i.recognise(f) })
		if i < 0 {
			r.companions = append(r.companions, f)
			continue
		}
		sorted[i] = append(sorted[i], f)
	}
	return sorted
}

// unused warns of files that nobody had a use for.
func (r *reading) unused() {
	for _, f := range r.companions {
		switch {
		case f.used:
		case f.isCertificate():
			r.refuse(f, "this is a certificate or a key; give it together with the profile that names it")
		default:
			r.refuse(f, "this isn't a profile of a kind that is known here")
		}
	}
}

// failure is the error for files of which none was understood.
func (r *reading) failure() error {
	var all []error
	for _, n := range r.out.Warnings {
		all = append(all, &profile.Error{File: n.File, Line: n.Line, Key: n.Key, Problem: n.Text})
	}
	switch len(all) {
	case 0:
		return &profile.Error{Problem: "there is no connection in what was given"}
	case 1:
		return all[0]
	}
	return errors.Join(all...)
}

// base is a file's name without folders, whichever system wrote it.
func base(name string) string {
	name = name[strings.LastIndexAny(name, `/\`)+1:]
	return filepath.Base(name)
}
