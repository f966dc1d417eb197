package concentrator

import (
	"fmt"
	"strings"
)

// A configuration file is lines:
//
//	# a comment; it may stand behind a value too
//	[ Section ]
//	[ Section "name" ]
//	Key = value
//	Key = "value with # and blanks"
//
// and in [ VPN Users ]:
//
//	"user name" Key="value" Key=value
//
// Sections and keys are written in any case. There is no way to write a quotation
// mark inside quotation marks.

// entry is Key = value. A line of users has several.
type entry struct {
	line       int
	key, value string
}

// section is what stands under a header.
type section struct {
	line    int
	kind    string // "VPN Group"
	name    string // "staff"
	entries []entry
	users   []userLine
}

func (s *section) String() string {
	if s.name == "" {
		return "[ " + s.kind + " ]"
	}
	return fmt.Sprintf("[ %s %q ]", s.kind, s.name)
}

// userLine is a line of [ VPN Users ].
type userLine struct {
	line    int
	name    string
	entries []entry
}

// usersSection is the one whose lines have a form of their own.
const usersSection = "vpn users"

// readINI takes a file apart. Errors name the line, and never quote what may be
// a secret.
func readINI(text string) ([]*section, error) {
	var all []*section
	var now *section
	for i, l := range strings.Split(text, "\n") {
		number := i + 1
		words, err := split(l)
		switch {
		case err != nil:
			return nil, &lineError{number, err}
		case len(words) == 0:
			continue
		case words[0].is("["):
			if now, err = header(words); err != nil {
				return nil, &lineError{number, err}
			}
			now.line = number
			all = append(all, now)
			continue
		case now == nil:
			return nil, &lineError{number, fmt.Errorf("stands before the first [ section ]")}
		}
		if strings.EqualFold(now.kind, usersSection) {
			u, err := user(words, number)
			if err != nil {
				return nil, &lineError{number, err}
			}
			now.users = append(now.users, u)
			continue
		}
		e, err := assignment(words, number)
		if err != nil {
			return nil, &lineError{number, err}
		}
		now.entries = append(now.entries, e)
	}
	return all, nil
}

// lineError says where.
type lineError struct {
	line int
	err  error
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %v", e.line, e.err) }
func (e *lineError) Unwrap() error { return e.err }

// word is a run of characters, a quoted text, or one of [ ] =.
type word struct {
	text   string
	quoted bool
	space  bool // blanks stand before it
}

func (w word) is(mark string) bool { return !w.quoted && w.text == mark }

// split takes a line apart, without its comment. A comment's mark stands at the
// beginning or behind a blank, so that a key may contain it.
func split(line string) ([]word, error) {
	var words []word
	for rest := line; ; {
		trimmed := strings.TrimLeft(rest, " \t\r")
		space := len(trimmed) < len(rest)
		rest = trimmed
		first := len(words) == 0
		switch {
		case rest == "", (rest[0] == '#' || rest[0] == ';') && (first || space):
			return words, nil
		case rest[0] == '"':
			text, behind, ok := strings.Cut(rest[1:], `"`)
			if !ok {
				return nil, fmt.Errorf("a quotation mark isn't closed")
			}
			words = append(words, word{text, true, space})
			rest = behind
		case rest[0] == '=', first && rest[0] == '[', rest[0] == ']':
			words = append(words, word{rest[:1], false, space})
			rest = rest[1:]
		default:
			n := strings.IndexAny(rest, " \t\r\"=]")
			if n < 0 {
				n = len(rest)
			}
			words = append(words, word{rest[:n], false, space})
			rest = rest[n:]
		}
	}
}

// join puts words together again as they stood, runs of blanks as one.
func join(words []word) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 && w.space {
			b.WriteByte(' ')
		}
		b.WriteString(w.text)
	}
	return b.String()
}

// header reads [ Section ] and [ Section "name" ].
func header(words []word) (*section, error) {
	if last := words[len(words)-1]; len(words) < 3 || !last.is("]") {
		return nil, fmt.Errorf("a section is written [ Name ]")
	}
	s, inner := new(section), words[1:len(words)-1]
	if last := inner[len(inner)-1]; last.quoted {
		s.name, inner = last.text, inner[:len(inner)-1]
		if s.name == "" {
			return nil, fmt.Errorf("a section with an empty name")
		}
	}
	for _, w := range inner {
		if w.quoted {
			return nil, fmt.Errorf("a section is written [ Name ] or [ Kind \"name\" ]")
		}
	}
	s.kind = join(inner)
	return s, nil
}

// assignment reads Key = value.
func assignment(words []word, line int) (entry, error) {
	if len(words) < 2 || words[0].quoted || words[0].is("=") || !words[1].is("=") {
		return entry{}, fmt.Errorf("isn't Key = value")
	}
	value := words[2:]
	for _, w := range value {
		if w.quoted && len(value) > 1 {
			return entry{}, fmt.Errorf("%s: something stands beside the quoted value", words[0].text)
		}
	}
	return entry{line, words[0].text, join(value)}, nil
}

// user reads "name" Key="value" Key=value.
func user(words []word, line int) (userLine, error) {
	u := userLine{line: line, name: words[0].text}
	if u.name == "" || words[0].is("=") || len(words) > 1 && words[1].is("=") {
		return u, fmt.Errorf(`isn't "name" Config="group"`)
	}
	for rest := words[1:]; len(rest) > 0; rest = rest[3:] {
		if len(rest) < 3 || rest[0].quoted || rest[0].is("=") || !rest[1].is("=") || rest[2].is("=") {
			return u, fmt.Errorf(`isn't "name" Config="group" Key="value"`)
		}
		u.entries = append(u.entries, entry{line, rest[0].text, rest[2].text})
	}
	return u, nil
}
