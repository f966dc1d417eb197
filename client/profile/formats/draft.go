package formats

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"postern/client/profile"
)

// draft is a profile while an importer fills it. Values are set by the keys of a
// profile's TOML and are checked as such by done: an importer only has to find the
// right words. A value that a profile doesn't take is left out with a warning, or
// takes the profile with it where the connection would be another one without.
type draft struct {
	r      *reading
	f      *text
	in     Imported
	name   string         // as wanted; "" is the file's name
	values map[string]any // by key: string, bool, int, []string
	from   map[string]at  // where a value came from
	files  map[string][]byte
}

// droppable are the keys that a connection can do without.
var droppable = strings.Fields(`backup secret secret_encoding password user domain key_passphrase otp otp_secret
	vendor selectors nat_traversal source_port networks exclude local_lan dns dns_servers search mtu dpd interface
	autoconnect kill_switch block_ipv6 lifetime.ike lifetime.esp`)

// draft begins a profile of the connection called name, or after the file where that is "".
func (r *reading) draft(f *text, name string) *draft {
	return &draft{
		r: r, f: f, name: name,
		in:     Imported{Format: r.format, Source: f.name},
		values: map[string]any{}, from: map[string]at{}, files: map[string][]byte{},
	}
}

// set gives a key of the profile a value: string, bool, int or []string. A later one
// replaces it.
func (d *draft) set(a at, key string, value any) {
	d.values[key], d.from[key] = value, a
}

// has says whether a key was set.
func (d *draft) has(key string) bool { return d.values[key] != nil }

// text is what a key was set to, where that is text.
func (d *draft) text(key string) string { s, _ := d.values[key].(string); return s }

// secret sets secret, password, key_passphrase or otp_secret. Nothing of value ever
// gets into a note. A pre-shared key that isn't printable text is written in
// hexadecimal; another secret has to be text.
func (d *draft) secret(a at, key string, value []byte) {
	if len(value) == 0 {
		return
	}
	plain := utf8.Valid(value) && !strings.ContainsFunc(string(value), unicode.IsControl)
	if plain && slices.ContainsFunc(value, func(c byte) bool { return c >= utf8.RuneSelf }) {
		d.guessed(a, "The secret has letters beyond ASCII, which the profile has in UTF-8; a gateway may want other octets.")
	}
	switch {
	case plain:
		d.set(a, key, string(value))
	case key == "secret":
		d.set(a, key, hex.EncodeToString(value))
		d.set(a, "secret_encoding", string(profile.EncodingHex))
	default:
		d.warn(a, "has a control character in it, or isn't text; it will be asked for")
	}
}

// file sets certificate, key, ca or gateway_certificate to a file that the profile
// names. Where the file was given too, its contents come along.
func (d *draft) file(a at, key, path string) {
	if f := d.r.companion(path); f != nil {
		d.embed(a, key, f.name, f.data)
		return
	}
	d.set(a, key, path)
}

// embed sets certificate, key, ca or gateway_certificate to contents, which are to be
// stored under a name beside the profile.
func (d *draft) embed(a at, key, name string, data []byte) {
	d.set(a, key, fileName(name))
	d.files[key] = data
}

func (d *draft) note(notes *[]Note, a at, text string) {
	add(notes, Note{File: d.f.name, Line: a.line, Key: a.key, Text: text})
}

func (d *draft) guessed(a at, text string) { d.note(&d.in.Guessed, a, text) }
func (d *draft) ignored(a at, text string) { d.note(&d.in.Ignored, a, text) }
func (d *draft) warn(a at, text string)    { d.note(&d.in.Warnings, a, text) }

// done checks the profile and adds it to the result, with its weak points noted. When
// it can't be used it is left out, and the result warns of it.
func (d *draft) done() {
	p, err := d.parse()
	if err != nil {
		d.r.warn(d.f, d.from[err.Key], d.in.about(err.Problem))
		return
	}
	d.add(p)
}

// add is done for a profile that was checked already.
func (d *draft) add(p *profile.Profile) {
	if !d.r.room(d.f) {
		return
	}
	if free := d.r.freeName(p.Name); free != p.Name {
		d.guessed(at{}, fmt.Sprintf("Another connection is called %q; this one is %q.", p.Name, free))
		p.Name = free
	}
	d.contents(p)
	for _, sentence := range p.Weak() {
		d.note(&d.in.Weak, at{}, sentence)
	}
	for _, notes := range []*[]Note{&d.in.Guessed, &d.in.Ignored, &d.in.Warnings} {
		slices.SortStableFunc(*notes, func(a, b Note) int { return a.Line - b.Line })
	}
	d.in.Profile = p
	d.r.out.Profiles = append(d.r.out.Profiles, d.in)
}

// about is a sentence about one connection, where its file can have several.
func (in *Imported) about(sentence string) string {
	if _, connection, ok := strings.Cut(in.Source, ": "); ok {
		return fmt.Sprintf("connection %q: %s", connection, sentence)
	}
	return sentence
}

// parse turns the values into a profile. What can be done without is dropped when it
// doesn't fit.
func (d *draft) parse() (*profile.Profile, *profile.Error) {
	d.values["name"] = d.profileName()
	for {
		p, err := d.attempt()
		if err == nil {
			return p, nil
		}
		if !d.has(err.Key) || !slices.Contains(droppable, err.Key) {
			return nil, err
		}
		d.warn(d.from[err.Key], strings.TrimSuffix(err.Problem, "; leave the key out"))
		delete(d.values, err.Key)
		if err.Key == "secret" {
			delete(d.values, "secret_encoding") // of the one that is asked for
		}
	}
}

// attempt writes the values as TOML and reads them.
func (d *draft) attempt() (*profile.Profile, *profile.Error) {
	document := map[string]any{}
	for key, value := range d.values {
		in := document
		if table, inner, ok := strings.Cut(key, "."); ok {
			if document[table] == nil {
				document[table] = map[string]any{}
			}
			in, key = document[table].(map[string]any), inner
		}
		in[key] = value
	}
	data, err := toml.Marshal(document)
	if err != nil {
		return nil, &profile.Error{Problem: "has a value that can't be written down"}
	}
	defer clear(data)
	p, err := profile.Parse(data, d.text("name")+".toml")
	if fault, ok := errors.AsType[*profile.Error](err); ok {
		return nil, fault
	}
	return p, nil
}

// contents moves what files held to where the profile keeps it.
func (d *draft) contents(p *profile.Profile) {
	for _, key := range slices.Sorted(maps.Keys(d.files)) {
		data := slices.Clone(d.files[key])
		switch key {
		case "certificate":
			p.Files.Certificate = data
		case "key":
			p.Files.Key = data
		case "ca":
			p.Files.CA = data
		case "gateway_certificate":
			p.Files.GatewayCertificate = data
		}
	}
}

// number sets a key to a whole number.
func (d *draft) number(a at, key, written string) {
	n, err := strconv.Atoi(strings.TrimSpace(written))
	if err != nil {
		d.warn(a, quoted(written)+" is no number; it is left out")
		return
	}
	d.set(a, key, n)
}
