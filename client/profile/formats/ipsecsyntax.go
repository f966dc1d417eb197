package formats

import (
	"fmt"
	"slices"
	"strings"

	"postern/client/profile"
)

// conn is a section of an ipsec.conf: "conn NAME", "config setup", "ca NAME". Of a
// key's values the last counts, except of "also".
type conn struct {
	section
	kind string
	also []string
}

// parseIpsecConf takes an ipsec.conf apart: a section's head begins its line, what
// stands in the section is indented. Errors are *profile.Error without the file's name.
func parseIpsecConf(text string) (conns []*conn, warnings []Note, err error) {
	var now *conn
	number := 0
	for line := range strings.Lines(text) {
		number++
		indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		line = strings.TrimSpace(withoutComment(line))
		if line == "" {
			continue
		}
		fields := strings.Fields(line)
		switch {
		case fields[0] == "include":
			warnings = append(warnings, Note{Line: number, Key: "include", Text: "other files aren't read: give them to the import by name"})
		case fields[0] == "version":
		case !indented && len(fields) >= 2 && slices.Contains([]string{"conn", "config", "ca"}, fields[0]):
			now = &conn{kind: fields[0], section: section{name: fields[1], line: number}}
			if conns = append(conns, now); len(conns) > maxSections {
				return nil, nil, &profile.Error{Line: number, Problem: fmt.Sprintf("there are more than %d sections", maxSections)}
			}
		case now == nil || !strings.Contains(line, "="):
			return nil, nil, &profile.Error{Line: number, Problem: `is neither "conn NAME" nor "key=value" below one`}
		default:
			key, value, _ := strings.Cut(line, "=")
			k := setting{key: strings.ToLower(strings.TrimSpace(key)), value: unquote(strings.TrimSpace(value)), line: number}
			if k.key == "also" {
				now.also = append(now.also, k.value)
				continue
			}
			if now.set(k); len(now.keys) > maxKeys {
				return nil, nil, &profile.Error{Line: number, Problem: fmt.Sprintf("a section has more than %d keys", maxKeys)}
			}
		}
	}
	return conns, warnings, nil
}

// withoutComment drops a comment, which begins a line or stands behind a blank, out of
// quotes.
func withoutComment(line string) string {
	quoted := byte(0)
	for i := range len(line) {
		switch c := line[i]; {
		case quoted != 0:
			if c == quoted {
				quoted = 0
			}
		case c == '"':
			quoted = c
		case c == '#' && (i == 0 || line[i-1] == ' ' || line[i-1] == '\t'):
			return line[:i]
		}
	}
	return line
}

// unquote drops a pair of quotes around a text.
func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}

// conf finds values in the sections of an ipsec.conf: a section's own come before
// those of the sections that "also" names, and those before those of "%default".
type conf struct {
	conns []*conn
}

// flat is a section with all that it takes over, up to maxKeys. missing are the names in "also" that
// no section has.
func (f conf) flat(c *conn) (all *conn, missing []string) {
	all = &conn{kind: c.kind, section: section{name: c.name, line: c.line}}
	seen := map[string]bool{}
	var take func(c *conn)
	take = func(c *conn) {
		for _, k := range c.keys {
			if len(all.keys) < maxKeys && !all.has(k.key) {
				all.set(k)
			}
		}
		for _, name := range c.also {
			other := f.find(c.kind, name)
			switch {
			case seen[name]:
			case other == nil:
				missing = append(missing, name)
			default:
				take(other)
			}
			seen[name] = true
		}
	}
	seen[c.name] = true
	take(c)
	for _, d := range f.conns {
		if d.kind == c.kind && d.name == "%default" && d != c {
			take(d)
		}
	}
	return all, missing
}

func (f conf) find(kind, name string) *conn {
	for _, c := range f.conns {
		if c.kind == kind && c.name == name {
			return c
		}
	}
	return nil
}

// ipsecSecret is an entry of an ipsec.secrets: `selectors : KIND value`.
type ipsecSecret struct {
	selectors []string
	kind      string   // in upper case: PSK, XAUTH, RSA, P12, …
	values    []string // without their quotes; nothing of it goes into an error
	quoted    []bool
	line      int
}

// parseIpsecSecrets takes an ipsec.secrets apart: an entry goes on in indented lines.
func parseIpsecSecrets(text string) (entries []ipsecSecret, warnings []Note) {
	number, begin, entry := 0, 0, ""
	flush := func() {
		if entry == "" {
			return
		}
		if e, err := oneIpsecSecret(entry); err == nil {
			e.line = begin
			entries = append(entries, e)
		} else {
			warnings = append(warnings, Note{Line: begin, Text: err.Error()})
		}
		entry = ""
	}
	for line := range strings.Lines(text) {
		number++
		indented := strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		line = strings.TrimSpace(withoutComment(line))
		switch {
		case line == "":
		case strings.HasPrefix(line, "include ") || strings.HasPrefix(line, "include\t"):
			flush()
			warnings = append(warnings, Note{Line: number, Key: "include", Text: "other files aren't read: give them to the import by name"})
		case indented && entry != "" && len(entry) < maxLine:
			entry += " " + line
		default:
			flush()
			entry, begin = line, number
		}
	}
	flush()
	return entries, warnings
}

// oneIpsecSecret reads an entry.
func oneIpsecSecret(entry string) (ipsecSecret, error) {
	words, quoted, err := shellWords(entry)
	if err != nil {
		return ipsecSecret{}, err
	}
	var s ipsecSecret
	for i, w := range words {
		head, found := strings.CutSuffix(w, ":")
		if quoted[i] || !found {
			s.selectors = append(s.selectors, w)
			continue
		}
		if head != "" {
			s.selectors = append(s.selectors, head)
		}
		if i+1 == len(words) {
			break
		}
		s.kind = strings.ToUpper(words[i+1])
		s.values, s.quoted = words[i+2:], quoted[i+2:]
		if len(s.values) == 0 {
			break
		}
		return s, nil
	}
	return ipsecSecret{}, fmt.Errorf("an entry that isn't %q", "selectors : KIND value")
}

// shellWords splits at blanks that don't stand in quotes.
func shellWords(line string) (words []string, quoted []bool, err error) {
	for {
		line = strings.TrimLeft(line, " \t\r\n")
		if line == "" {
			return words, quoted, nil
		}
		if c := line[0]; c == '"' || c == '\'' {
			n := strings.IndexByte(line[1:], c)
			if n < 0 {
				return nil, nil, fmt.Errorf("a text in quotes doesn't end")
			}
			words, quoted, line = append(words, line[1:n+1]), append(quoted, true), line[n+2:]
			continue
		}
		n := strings.IndexAny(line, " \t\r\n")
		if n < 0 {
			n = len(line)
		}
		words, quoted, line = append(words, line[:n]), append(quoted, false), line[n:]
	}
}
