package formats

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postern/client/profile"
)

// exporter writes one format.
type exporter struct {
	name   string
	suffix string // of a file's name, with its dot

	// write says in notes what a person should know beside what got lost, which Export
	// finds out. Secrets are written only where secrets is true.
	write func(p *profile.Profile, secrets bool) ([]byte, []Note, error)
}

var exporters = []exporter{
	{"toml", ".toml", exportTOML},
	{"pcf", ".pcf", exportPCF},
	{"vpnc", ".conf", exportVPNC},
	{"networkmanager", ".nmconnection", exportNM},
	{"mobileconfig", ".mobileconfig", exportMobileconfig},
}

// Formats lists the names of the formats that Export writes.
func Formats() []string {
	var out []string
	for _, e := range exporters {
		out = append(out, e.name)
	}
	return out
}

// Suffix is how the names of a format's files end, such as ".pcf"; "" for a format that
// isn't written.
func Suffix(format string) string {
	for _, e := range exporters {
		if e.name == format {
			return e.suffix
		}
	}
	return ""
}

// Export writes a profile in another client's format. The notes say what that format
// has no place for: what Import makes of the file differs from p in those keys alone.
// The error is there where it would be another connection. Secrets are written only
// when asked for; the caller then keeps the file from others.
func Export(p *profile.Profile, format string, secrets bool) ([]byte, []Note, error) {
	i := slices.IndexFunc(exporters, func(e exporter) bool { return e.name == format })
	if i < 0 {
		return nil, nil, fmt.Errorf("%s is no format that can be written; there are %s", quoted(format), strings.Join(Formats(), ", "))
	}
	data, notes, err := exporters[i].write(p, secrets)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", format, err)
	}
	lost, err := lostIn(data, p, exporters[i], secrets)
	if err != nil {
		clear(data)
		return nil, nil, fmt.Errorf("%s can't hold this connection: %w", format, err)
	}
	for _, n := range lost {
		if !slices.ContainsFunc(notes, func(old Note) bool { return old.Key == n.Key }) {
			notes = append(notes, n)
		}
	}
	return data, notes, nil
}

// essential are the keys without which it is another connection.
var essential = strings.Fields("gateway mode identity identity_type gateway_identity auth xauth vpn5000 radius otp ca gateway_certificate gateway_pin certificate key")

// lostIn imports what was written, and notes what differs.
func lostIn(data []byte, p *profile.Profile, e exporter, secrets bool) ([]Note, error) {
	result, err := Import([]File{{Name: p.Name + e.suffix, Data: data}})
	if err != nil {
		if fault, ok := errors.AsType[*profile.Error](err); ok {
			return nil, errors.New(strings.TrimPrefix(cmp.Or(fault.Key, "the file")+": "+fault.Problem, ": "))
		}
		return nil, err
	}
	q := result.Profiles[0].Profile
	defer q.Clear()
	var notes []Note
	before, after := p.Settings(true), q.Settings(true)
	for i, s := range before {
		if _, secret := p.Secrets()[s.Key]; secret || s == after[i] {
			continue
		}
		if slices.Contains(essential, s.Key) && (s.Key != "xauth" || p.XAuth == profile.XAuthOff) {
			return nil, fmt.Errorf("it has no place for %s = %s", s.Key, s.Value)
		}
		notes = append(notes, Note{Key: s.Key, Text: "has no place in this format for " + clean(s.Value)})
	}
	kept := q.Secrets()
	for key, s := range p.Secrets() {
		if secrets && !bytes.Equal(s, kept[key]) {
			notes = append(notes, Note{Key: key, Text: "can't be written in this format, and is left out"})
		}
	}
	return notes, nil
}

// exportTOML writes our own.
func exportTOML(p *profile.Profile, secrets bool) ([]byte, []Note, error) {
	if secrets {
		return p.MarshalWithSecrets(), nil, nil
	}
	return p.Marshal(), nil, nil
}

// writable says whether readers of lines get a value back as it is: one line, without
// blanks at its ends.
func writable(s string) bool {
	return s == strings.TrimSpace(s) && clean(s) == s && s != ""
}

// numberOf is groupNumber with an error.
func numberOf(group string) (string, error) {
	if n := groupNumber(group); n != "" {
		return n, nil
	}
	return "", fmt.Errorf("it has no number for the group %s", group)
}
