package formats

import (
	"fmt"
	"strings"

	"postern/client/profile"
)

// settings reads the language of strongSwan's swanctl.conf: sections of the same name are
// one, and of a key's values the last counts.
type settings struct {
	text     string
	pos      int
	line     int
	warnings []Note // includes and references, which aren't followed
}

// parseSettings takes a text apart. Errors are *profile.Error without the file's name.
func parseSettings(text string) (*section, []Note, error) {
	s := &settings{text: text, line: 1}
	root := &section{}
	if err := s.read(root, 0); err != nil {
		return nil, nil, err
	}
	return root, s.warnings, nil
}

// read reads what stands in a section, up to its "}" or the end of the text.
func (s *settings) read(in *section, depth int) error {
	if depth > maxDepth {
		return s.fault("has more than %d sections in each other", maxDepth)
	}
	for {
		s.skip()
		if s.pos == len(s.text) {
			if depth > 0 {
				return s.fault("ends in the middle of the section %q", clean(in.name))
			}
			return nil
		}
		if s.text[s.pos] == '}' {
			s.pos++
			if depth == 0 {
				return s.fault(`has a "}" too many`)
			}
			return nil
		}
		if err := s.entry(in, depth); err != nil {
			return err
		}
	}
}

// entry reads "key = value", "name { … }", "name : others { … }" or "include …".
func (s *settings) entry(in *section, depth int) error {
	n := strings.IndexAny(s.text[s.pos:], "=:{}#\n")
	if n < 0 {
		n = len(s.text) - s.pos
	}
	name, line := strings.TrimSpace(s.text[s.pos:s.pos+n]), s.line
	if strings.HasPrefix(name, "include ") || strings.HasPrefix(name, "include\t") {
		s.warnings = append(s.warnings, Note{Line: line, Key: "include", Text: "other files aren't read: give them to the import by name"})
		s.toLineEnd()
		return nil
	}
	s.pos += n
	if name == "" {
		return s.fault("has a value or a section without a name")
	}
	s.skip() // "{" may stand in the next line
	if s.pos < len(s.text) && s.text[s.pos] == ':' {
		s.pos += strings.IndexByte(s.text[s.pos:]+"{", '{')
		s.warnings = append(s.warnings, Note{Line: line, Key: name, Text: "takes over what other sections say, which isn't read"})
	}
	if s.pos == len(s.text) {
		return s.fault("%q has no value", clean(name))
	}
	switch s.text[s.pos] {
	case '=':
		s.pos++
		value, err := s.value()
		if err != nil {
			return err
		}
		if in.set(setting{key: name, value: value, line: line}); len(in.keys) > maxKeys {
			return s.fault("a section has more than %d keys", maxKeys)
		}
		return nil
	case '{':
		s.pos++
		sub := in.child(name)
		if sub == nil {
			sub = &section{name: name, line: line}
			if in.sections = append(in.sections, sub); len(in.sections) > maxSections {
				return s.fault("there are more than %d sections", maxSections)
			}
		}
		return s.read(sub, depth+1)
	}
	return s.fault("%q has no value", clean(name))
}

// value reads up to the line's end, a comment or "}"; what stands in quotes may hold
// those.
func (s *settings) value() (string, error) {
	var out strings.Builder
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		if c == '\n' || c == '#' || c == '}' {
			break
		}
		s.pos++
		if c != '"' {
			out.WriteByte(c)
			continue
		}
		before := strings.TrimLeft(out.String(), " \t\r")
		inside, err := s.quoted()
		if err != nil {
			return "", err
		}
		if before == "" { // nothing but blanks follows in a sound file
			return inside, nil
		}
		out.WriteString(inside)
	}
	return strings.TrimSpace(out.String()), nil
}

// quoted reads to the closing quote.
func (s *settings) quoted() (string, error) {
	var out strings.Builder
	begin := s.line
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		s.pos++
		switch {
		case c == '"':
			return out.String(), nil
		case c == '\\' && s.pos < len(s.text):
			c = s.text[s.pos]
			s.pos++
			if i := strings.IndexByte("nrtbf", c); i >= 0 {
				c = "\n\r\t\b\f"[i]
			}
		}
		if c == '\n' {
			s.line++
		}
		out.WriteByte(c)
	}
	return "", s.fault("ends in the middle of the text in quotes that begins in line %d", begin)
}

// skip leaves blanks, line ends and comments behind.
func (s *settings) skip() {
	for s.pos < len(s.text) {
		switch s.text[s.pos] {
		case '\n':
			s.line++
		case ' ', '\t', '\r', '\f', '\v':
		case '#':
			s.toLineEnd()
			continue
		default:
			return
		}
		s.pos++
	}
}

func (s *settings) toLineEnd() {
	n := strings.IndexByte(s.text[s.pos:], '\n')
	if n < 0 {
		n = len(s.text) - s.pos
	}
	s.pos += n
}

func (s *settings) fault(format string, args ...any) error {
	return &profile.Error{Line: s.line, Problem: fmt.Sprintf(format, args...)}
}
