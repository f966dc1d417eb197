package formats

import (
	"fmt"
	"strings"

	"postern/client/profile"
)

// Files of racoon and of AVM's boxes are statements that end with ";" or with a block
// in braces:
//
//	remote 192.0.2.1 { exchange_mode main, aggressive; }
//	connections { name = "office"; accesslist = "a", "b"; }

// word is a part of a statement: "=", "," or what stands between blanks, or in quotes.
type word struct {
	text   string
	quoted bool
}

// is says whether w is this bare word.
func (w word) is(s string) bool { return !w.quoted && w.text == s }

// statement is one of them. Its block is nil where it ends with ";".
type statement struct {
	line  int
	words []word
	block []statement
}

// name is the statement's first word, or "".
func (s *statement) name() string { return s.at(0) }

// at is a word of the statement, or "".
func (s *statement) at(i int) string {
	if i >= len(s.words) {
		return ""
	}
	return s.words[i].text
}

// dialect is how a language with braces writes comments and quotes.
type dialect struct {
	hash, slashes bool // "# …"; "// …" and "/* … */"
	escapes       bool // \" and \\ in quotes
	operators     string
}

// braces is a reader of such a language.
type braces struct {
	dialect
	text string
	pos  int
	line int
}

// parseBraces takes a text apart. Errors are *profile.Error without the file's name.
func parseBraces(text string, d dialect) ([]statement, error) {
	b := &braces{dialect: d, text: text, line: 1}
	return b.statements(0)
}

// statements reads up to the end of the text or of the block at a depth.
func (b *braces) statements(depth int) ([]statement, error) {
	if depth > maxDepth {
		return nil, b.fault("has more than %d blocks in each other", maxDepth)
	}
	begin := b.line
	out := []statement{}
	var s statement
	for {
		w, ok, err := b.next()
		if err != nil {
			return nil, err
		}
		if ok && len(s.words) == 0 {
			s.line = b.line
		}
		switch {
		case !ok && len(s.words) > 0:
			return nil, b.fault("ends in the middle of the statement that begins in line %d", s.line)
		case !ok && depth > 0:
			return nil, b.fault("ends in the middle of the block that begins in line %d", begin)
		case !ok:
			return out, nil
		case w.is(";"):
			if len(s.words) > 0 {
				out = append(out, s)
			}
			s = statement{}
		case w.is("{"):
			if s.block, err = b.statements(depth + 1); err != nil {
				return nil, err
			}
			out = append(out, s)
			s = statement{}
		case w.is("}") && depth == 0:
			return nil, b.fault(`has a "}" too many`)
		case w.is("}"):
			if len(s.words) > 0 { // the last ";" is missing
				out = append(out, s)
			}
			return out, nil
		default:
			s.words = append(s.words, w)
		}
	}
}

// next reads a word; ok is false at the end of the text.
func (b *braces) next() (w word, ok bool, err error) {
	if err := b.skip(); err != nil || b.pos == len(b.text) {
		return word{}, false, err
	}
	rest := b.text[b.pos:]
	if strings.IndexByte("{};"+b.operators, rest[0]) >= 0 {
		b.pos++
		return word{text: rest[:1]}, true, nil
	}
	if rest[0] == '"' {
		return b.quoted()
	}
	n := strings.IndexAny(rest, " \t\r\n\f\v\"{};"+b.operators)
	if n < 0 {
		n = len(rest)
	}
	b.pos += n
	return word{text: rest[:n]}, true, nil
}

// quoted reads a word in quotes.
func (b *braces) quoted() (word, bool, error) {
	var out strings.Builder
	begin := b.line
	for i := b.pos + 1; i < len(b.text); i++ {
		switch c := b.text[i]; {
		case c == '"':
			b.pos = i + 1
			return word{text: out.String(), quoted: true}, true, nil
		case c == '\\' && b.escapes && i+1 < len(b.text):
			i++
			out.WriteByte(b.text[i])
		case c == '\n':
			b.line++
			out.WriteByte(c)
		default:
			out.WriteByte(c)
		}
	}
	return word{}, false, b.fault("ends in the middle of the text in quotes that begins in line %d", begin)
}

// skip leaves blanks and comments behind.
func (b *braces) skip() error {
	for b.pos < len(b.text) {
		rest := b.text[b.pos:]
		switch {
		case rest[0] == '\n':
			b.line++
			b.pos++
		case strings.IndexByte(" \t\r\f\v", rest[0]) >= 0:
			b.pos++
		case b.hash && rest[0] == '#', b.slashes && strings.HasPrefix(rest, "//"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			b.pos += n
		case b.slashes && strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest, "*/")
			if n < 0 {
				return b.fault("ends in the middle of a comment")
			}
			b.line += strings.Count(rest[:n], "\n")
			b.pos += n + 2
		default:
			return nil
		}
	}
	return nil
}

func (b *braces) fault(format string, args ...any) error {
	return &profile.Error{Line: b.line, Problem: fmt.Sprintf(format, args...)}
}
