package formats

import (
	"fmt"
	"strings"
)

// Bounds of an ini file. Chosen here.
const (
	maxSections = 512
	maxKeys     = 1024 // of a section
)

// ini is how a kind of ini file is read: "[section]" lines with "key=value" lines below
// them. Blanks around section, key, "=" and value are dropped.
type ini struct {
	comments string // the characters that begin one, at a line's beginning

	// key is told a key as it stands there, and gives the name under which it is kept;
	// known says whether such a name means anything.
	key   func(name string) string
	known func(key string) bool

	// first keeps the first value of a key that isn't empty; else the last one counts.
	first bool
}

// parse returns the sections in order of appearance; those of one name are one. What
// stands before the first is in a section without a name. Empty values are left out.
// stray are the lines that are neither.
func (i ini) parse(f *text) (sections []*section, stray []int, err error) {
	byName := map[string]*section{}
	seen := map[string]bool{}
	enter := func(name string, line int) *section {
		if byName[name] == nil {
			byName[name] = &section{name: name, line: line}
			sections = append(sections, byName[name])
		}
		return byName[name]
	}
	now := enter("", 0)
	for n, line := range f.lines {
		line = strings.TrimSpace(line)
		if line == "" || strings.ContainsRune(i.comments, rune(line[0])) {
			continue
		}
		if name, ok := strings.CutPrefix(line, "["); ok && strings.HasSuffix(name, "]") {
			now = enter(strings.TrimSpace(strings.TrimSuffix(name, "]")), n+1)
			if len(sections) > maxSections {
				return nil, nil, fmt.Errorf("line %d: there are more than %d sections", n+1, maxSections)
			}
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if key != "" {
			key = i.key(key)
		}
		if !ok || key == "" || value == "=" && !i.known(key) { // base64 that was wrapped ends so
			stray = append(stray, n+1)
			continue
		}
		mark := now.name + "\x00" + key
		if value == "" || i.first && seen[mark] {
			continue
		}
		if len(now.keys) >= maxKeys && !seen[mark] {
			return nil, nil, fmt.Errorf("line %d: a section has more than %d keys", n+1, maxKeys)
		}
		seen[mark] = true
		now.set(setting{key: key, value: value, line: n + 1})
	}
	return sections, stray, nil
}

// hasSection says whether a line of f is a section's header, in any case.
func (f *text) hasSection(name string) bool {
	for _, line := range f.lines {
		line = strings.TrimSpace(line)
		if len(line) > 2 && line[0] == '[' && line[len(line)-1] == ']' && strings.EqualFold(strings.TrimSpace(line[1:len(line)-1]), name) {
			return true
		}
	}
	return false
}

// hasKey says whether a line of f sets a key, in any case, to something.
func (f *text) hasKey(name string) bool {
	for _, line := range f.lines {
		key, value, ok := strings.Cut(line, "=")
		if ok && strings.EqualFold(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(key), "!")), name) && strings.TrimSpace(value) != "" {
			return true
		}
	}
	return false
}
