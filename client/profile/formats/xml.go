package formats

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"postern/client/profile"
)

// element is an element of an XML document. Attributes are dropped: no format here has
// its settings in them.
type element struct {
	name     string
	line     int
	text     string // with blanks around it dropped
	children []*element
}

// parseXML reads a document. It has no entities but XML's own: a document that declares
// some is refused, and nothing outside it is opened. Errors are *profile.Error without
// the file's name.
func parseXML(body string) (*element, error) {
	d := xml.NewDecoder(strings.NewReader(body))
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // body is UTF-8 by now
	root := &element{}
	open := []*element{root}
	for {
		token, err := d.RawToken()
		line, _ := d.InputPos()
		fault := func(problem string) (*element, error) { return nil, &profile.Error{Line: line, Problem: problem} }
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fault("isn't sound XML")
		}
		now := open[len(open)-1]
		switch t := token.(type) {
		case xml.StartElement:
			if len(open) > maxDepth {
				return fault(fmt.Sprintf("has more than %d elements in each other", maxDepth))
			}
			e := &element{name: t.Name.Local, line: line}
			now.children = append(now.children, e)
			open = append(open, e)
		case xml.EndElement:
			if len(open) == 1 || now.name != t.Name.Local {
				return fault("closes an element that isn't open")
			}
			now.text = strings.TrimSpace(now.text)
			open = open[:len(open)-1]
		case xml.CharData:
			now.text += string(t)
		case xml.Directive:
			if strings.Contains(string(t), "[") || strings.Contains(strings.ToUpper(string(t)), "ENTITY") {
				return fault("declares entities, which no profile needs")
			}
		}
	}
	if len(open) > 1 {
		last := open[len(open)-1]
		return nil, &profile.Error{Line: last.line, Problem: fmt.Sprintf("the element %s doesn't end", quoted(last.name))}
	}
	if len(root.children) != 1 {
		return nil, &profile.Error{Problem: "isn't an XML document"}
	}
	return root.children[0], nil
}

// child returns the first element of a name, or nil.
func (e *element) child(path ...string) *element {
	for _, name := range path {
		if e == nil {
			return nil
		}
		var next *element
		for _, c := range e.children {
			if c.name == name {
				next = c
				break
			}
		}
		e = next
	}
	return e
}

// all returns the elements of a name.
func (e *element) all(name string) []*element {
	var out []*element
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		if c.name == name {
			out = append(out, c)
		}
	}
	return out
}

// section takes e as keys with values and sections; of equal ones the last counts.
func (e *element) section() *section {
	s := &section{}
	if e == nil {
		return s
	}
	s.name, s.line = e.name, e.line
	for _, c := range e.children {
		switch {
		case len(s.keys) >= maxKeys || len(s.sections) >= maxSections:
			return s
		case len(c.children) == 0:
			s.set(setting{key: c.name, value: c.text, line: c.line})
		default:
			s.sections = append(s.sections, c.section())
		}
	}
	return s
}
