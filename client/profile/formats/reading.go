package formats

import (
	"fmt"
	"strings"
)

// reading is one run of Import.
type reading struct {
	format     string  // the importer's that runs
	companions []*text // files that no importer recognised
	out        Result
	dropped    bool // a connection, because there were too many
}

// maxProfiles bounds the connections of one Import. Chosen here.
const maxProfiles = 256

// refuse says why a file, or one connection in it, is of no use.
func (r *reading) refuse(f *text, sentence string) { r.warn(f, at{}, sentence) }

// warn and ignored are for what belongs to no profile.
func (r *reading) warn(f *text, a at, text string) {
	add(&r.out.Warnings, Note{File: f.name, Line: a.line, Key: a.key, Text: text})
}

func (r *reading) ignored(f *text, a at, text string) {
	add(&r.out.Ignored, Note{File: f.name, Line: a.line, Key: a.key, Text: text})
}

// companion finds the file that another one names, by its base name in any case, or
// returns nil.
func (r *reading) companion(path string) *text {
	for _, f := range r.companions {
		if strings.EqualFold(f.name, clean(base(path))) {
			f.used = true
			return f
		}
	}
	return nil
}

// certificate finds the one file with certificates that was given beside the profile:
// one with a private key, or perhaps with one, or one without. It returns nil where
// there is none, or more than one.
func (r *reading) certificate(key bool) *text {
	var found *text
	for _, f := range r.companions {
		if !f.isCertificate() || f.used || key == (f.body != "" && !strings.Contains(f.body, "PRIVATE KEY-----")) {
			continue
		}
		if found != nil {
			return nil
		}
		found = f
	}
	if found != nil {
		found.used = true
	}
	return found
}

// each makes a reader of single files out of one that gets all of its format.
func each(read func(r *reading, f *text)) func(r *reading, files []*text) {
	return func(r *reading, files []*text) {
		for _, f := range files {
			read(r, f)
		}
	}
}

// room says whether there is room for one more profile, and warns when there isn't.
func (r *reading) room(f *text) bool {
	if len(r.out.Profiles) < maxProfiles {
		return true
	}
	if !r.dropped {
		r.dropped = true
		r.refuse(f, fmt.Sprintf("there are more than %d connections; the others are left out", maxProfiles))
	}
	return false
}
