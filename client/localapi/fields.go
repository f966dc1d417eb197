package localapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// checkFields tells whether JSON is one object with only fields of a struct type, and no
// name twice, there and in the objects inside. package json does either from a Decoder
// only, whose copies of a secret nobody could clear. Names are matched exactly and have
// no escapes. The error shows no value.
func checkFields(data []byte, t reflect.Type) error {
	if !json.Valid(data) {
		return errors.New("it isn't JSON")
	}
	s := scanner{data}
	if s.next() != '{' {
		return errors.New("it isn't an object")
	}
	return s.value(t)
}

// scanner walks over valid JSON.
type scanner struct{ rest []byte }

// next returns the first octet after blanks, without taking it.
func (s *scanner) next() byte {
	s.rest = bytes.TrimLeft(s.rest, " \t\r\n")
	return s.rest[0]
}

// take drops octets.
func (s *scanner) take(n int) { s.rest = s.rest[n:] }

// value walks over a value for a type; nil: any.
func (s *scanner) value(t reflect.Type) error {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch s.next() {
	case '{':
		return s.object(t)
	case '[':
		return s.array(t)
	case '"':
		s.text()
	default:
		s.take(len(s.rest) - len(bytes.TrimLeft(s.rest, "+-.0123456789abcdefghijklmnopqrstuvwxyzE")))
	}
	return nil
}

// text takes a string and returns what is between the quotes.
func (s *scanner) text() []byte {
	for i := 1; ; i++ {
		switch s.rest[i] {
		case '\\':
			i++
		case '"':
			inside := s.rest[1:i]
			s.take(i + 1)
			return inside
		}
	}
}

func (s *scanner) object(t reflect.Type) error {
	seen := make(map[string]bool)
	s.take(1)
	for s.next() != '}' {
		if s.rest[0] == ',' {
			s.take(1)
			s.next()
		}
		name := string(s.text())
		field, ok := fieldOf(t, name)
		if !ok || strings.Contains(name, `\`) {
			return fmt.Errorf("unknown field %q", name)
		}
		if seen[name] {
			return fmt.Errorf("field %q twice", name)
		}
		seen[name] = true
		s.next()
		s.take(1) // the colon
		if err := s.value(field); err != nil {
			return err
		}
	}
	s.take(1)
	return nil
}

func (s *scanner) array(t reflect.Type) error {
	if t != nil && t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	s.take(1)
	for s.next() != ']' {
		if s.rest[0] == ',' {
			s.take(1)
		}
		if err := s.value(t); err != nil {
			return err
		}
	}
	s.take(1)
	return nil
}

// fieldOf is the type of what a name means in a type, and whether it means anything.
func fieldOf(t reflect.Type, name string) (reflect.Type, bool) {
	switch {
	case t == nil:
		return nil, true
	case t.Kind() == reflect.Map:
		return t.Elem(), true
	case t.Kind() != reflect.Struct:
		return nil, true // package json says that it doesn't fit
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name {
			return f.Type, true
		}
	}
	return nil, false
}
