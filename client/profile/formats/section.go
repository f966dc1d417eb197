package formats

// section is a part of a file with keys and further sections in it. It remembers which
// keys were asked for, so that the others can be listed.
type section struct {
	name     string
	line     int
	keys     []setting // in order of appearance, each once
	sections []*section
	used     bool
}

// setting is a key with its value.
type setting struct {
	key, value string
	line       int
	used       bool
}

// set adds a key, or replaces its value: the last one counts.
func (s *section) set(k setting) {
	for i := range s.keys {
		if s.keys[i].key == k.key {
			s.keys[i] = k
			return
		}
	}
	s.keys = append(s.keys, k)
}

// has says whether a key is there.
func (s *section) has(key string) bool { return s.at(key).line > 0 }

// get returns the value of the first of some keys that has one, or "".
func (s *section) get(keys ...string) string {
	if s == nil {
		return ""
	}
	for _, key := range keys {
		for i := range s.keys {
			if s.keys[i].key == key && s.keys[i].value != "" {
				s.keys[i].used = true
				return s.keys[i].value
			}
		}
	}
	return ""
}

// at is where the first of some keys stands.
func (s *section) at(keys ...string) at {
	if s == nil {
		return at{}
	}
	for _, key := range keys {
		for _, k := range s.keys {
			if k.key == key {
				return at{line: k.line, key: key}
			}
		}
	}
	return at{}
}

// child returns a section inside s, or nil.
func (s *section) child(name string) *section {
	if s == nil {
		return nil
	}
	for _, c := range s.sections {
		if c.name == name {
			c.used = true
			return c
		}
	}
	return nil
}

// rest notes the keys and sections that nothing asked for.
func (s *section) rest(d *draft) {
	if s == nil {
		return
	}
	for _, k := range s.keys {
		if len(d.in.Ignored) == maxNotes {
			return
		}
		if !k.used && k.value != "" {
			d.ignored(at{line: k.line, key: k.key}, "has no place in a profile")
		}
	}
	for _, c := range s.sections {
		if c.used {
			c.rest(d)
			continue
		}
		d.ignored(at{line: c.line, key: c.name}, "has no place in a profile")
	}
}
