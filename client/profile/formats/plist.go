package formats

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"

	"postern/client/profile"
)

// node is a value of a property list.
type node struct {
	line  int      // of XML; 0 in binary
	text  string   // of a string, number or date; "1" and "0" of true and false
	data  []byte   // of data; nil for what isn't
	keys  []string // of a dictionary, beside items
	items []*node  // of an array or a dictionary
	dict  bool
	used  map[string]bool
}

// get returns a dictionary's value, the last one of that key, or nil.
func (n *node) get(key string) *node {
	if n == nil || !n.dict {
		return nil
	}
	for i := len(n.keys) - 1; i >= 0; i-- {
		if n.keys[i] == key {
			if n.used == nil {
				n.used = map[string]bool{}
			}
			n.used[key] = true
			return n.items[i]
		}
	}
	return nil
}

// str is the text under a key, or "".
func (n *node) str(key string) string {
	if v := n.get(key); v != nil {
		return strings.TrimSpace(v.text)
	}
	return ""
}

// octets are the data under a key; some generators write a string instead.
func (n *node) octets(key string) []byte {
	switch v := n.get(key); {
	case v == nil:
		return nil
	case v.data != nil:
		return v.data
	default:
		return []byte(v.text)
	}
}

// texts are the strings of the array under a key.
func (n *node) texts(key string) []string {
	var out []string
	if v := n.get(key); v != nil && !v.dict {
		for _, i := range v.items {
			if s := strings.TrimSpace(i.text); s != "" {
				out = append(out, s)
			}
		}
	}
	return out
}

// at is where a key of a dictionary stands.
func (n *node) at(key string) at {
	if v := n.get(key); v != nil {
		return at{line: v.line, key: key}
	}
	return at{}
}

// parsePlist reads a property list, XML or binary. Errors are *profile.Error without
// the file's name.
func parsePlist(data []byte, body string) (*node, error) {
	if bytes.HasPrefix(data, []byte("bplist")) {
		n, err := parseBinaryPlist(data)
		if err != nil {
			return nil, &profile.Error{Problem: "isn't a sound binary property list: " + err.Error()}
		}
		return n, nil
	}
	root, err := parseXML(body)
	if err != nil {
		return nil, err
	}
	if root.name != "plist" || len(root.children) != 1 {
		return nil, &profile.Error{Line: root.line, Problem: "isn't a property list"}
	}
	return xmlNode(root.children[0])
}

func xmlNode(e *element) (*node, error) {
	n := &node{line: e.line, text: e.text}
	fault := func(problem string) (*node, error) { return nil, &profile.Error{Line: e.line, Problem: problem} }
	switch e.name {
	case "true":
		n.text = "1"
	case "false":
		n.text = "0"
	case "string", "integer", "real", "date":
	case "data":
		octets, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(e.text), ""))
		if err != nil {
			return fault("has data that isn't base64")
		}
		n.text, n.data = "", append([]byte{}, octets...)
	case "array", "dict":
		n.text, n.dict = "", e.name == "dict"
		for i, c := range e.children {
			if n.dict && i%2 == 0 {
				if c.name != "key" || i+1 == len(e.children) {
					return fault("has a dictionary in which keys and values don't pair")
				}
				n.keys = append(n.keys, c.text)
				continue
			}
			v, err := xmlNode(c)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, v)
		}
	default:
		return fault(fmt.Sprintf("has %s where a property list has a value", quoted(e.name)))
	}
	return n, nil
}

// maxNodes bounds the values of a binary property list, in which one object can stand
// in many places. Chosen here.
const maxNodes = 1 << 16

// binaryPlist reads the form that begins "bplist00".
//
// Source: Apple, CFBinaryPList.c, the comment at its beginning: objects, a table of
// their offsets, and a trailer of 32 octets: 6 unused, size of an offset, size of a
// reference, number of objects, number of the top one, offset of the table.
type binaryPlist struct {
	data            []byte // without the trailer
	table           []byte
	offsetSize      int
	refSize         int
	count           uint64
	nodes           int
	errOutOfBounds  error
	errTooManyNodes error
}

func parseBinaryPlist(data []byte) (*node, error) {
	if len(data) < 8+32 || !bytes.HasPrefix(data, []byte("bplist0")) {
		return nil, errors.New("it is cut off, or of another version")
	}
	trailer := data[len(data)-32:]
	b := &binaryPlist{
		data: data[:len(data)-32], offsetSize: int(trailer[6]), refSize: int(trailer[7]), count: binary.BigEndian.Uint64(trailer[8:]),
		errOutOfBounds: errors.New("an object lies outside the file"), errTooManyNodes: fmt.Errorf("more than %d values", maxNodes),
	}
	top, table := binary.BigEndian.Uint64(trailer[16:]), binary.BigEndian.Uint64(trailer[24:])
	size := uint64(len(b.data))
	if b.offsetSize < 1 || b.offsetSize > 8 || b.refSize < 1 || b.refSize > 8 || table > size || b.count > (size-table)/uint64(b.offsetSize) {
		return nil, errors.New("its table of objects lies outside the file")
	}
	b.table = b.data[table:]
	return b.object(top, 0)
}

// number reads an unsigned number of up to 8 octets.
func number(octets []byte) uint64 {
	var n uint64
	for _, o := range octets {
		n = n<<8 | uint64(o)
	}
	return n
}

// object reads the object of a number.
func (b *binaryPlist) object(ref uint64, depth int) (*node, error) {
	if b.nodes++; b.nodes > maxNodes {
		return nil, b.errTooManyNodes
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("more than %d values in each other", maxDepth)
	}
	if ref >= b.count {
		return nil, b.errOutOfBounds
	}
	offset := number(b.table[ref*uint64(b.offsetSize):][:b.offsetSize])
	if offset >= uint64(len(b.data)) {
		return nil, b.errOutOfBounds
	}
	return b.value(b.data[offset:], depth)
}

// value reads an object: an octet with its kind and its size, then its contents.
func (b *binaryPlist) value(d []byte, depth int) (*node, error) {
	kind, info, d := d[0]>>4, int(d[0]&15), d[1:]
	if kind == 0 {
		return &node{text: map[int]string{9: "1"}[info] + map[int]string{8: "0"}[info]}, nil
	}
	if kind == 1 || kind == 2 || kind == 3 {
		return b.scalar(kind, info, d)
	}
	if info == 15 { // the size is an integer of its own
		if len(d) < 1 || d[0]>>4 != 1 || d[0]&15 > 3 || len(d) < 1+1<<(d[0]&15) {
			return nil, b.errOutOfBounds
		}
		size := 1 << (d[0] & 15)
		n := number(d[1:][:size])
		if n > uint64(len(b.data)) {
			return nil, b.errOutOfBounds
		}
		info, d = int(n), d[1+size:]
	}
	unit := map[byte]int{4: 1, 5: 1, 6: 2, 8: 1, 10: b.refSize, 12: b.refSize, 13: 2 * b.refSize}[kind]
	if kind == 8 {
		info++
	}
	if unit == 0 || info > len(d)/unit {
		return nil, b.errOutOfBounds
	}
	d = d[:info*unit]
	switch kind {
	case 4:
		return &node{data: append([]byte{}, d...)}, nil
	case 5:
		return &node{text: string(d)}, nil
	case 6:
		units := make([]uint16, info)
		for i := range units {
			units[i] = binary.BigEndian.Uint16(d[2*i:])
		}
		return &node{text: string(utf16.Decode(units))}, nil
	case 8:
		return &node{}, nil
	}
	return b.container(kind == 13, info, d, depth)
}

// scalar reads an integer, a real or a date; of the last two nothing is wanted.
func (b *binaryPlist) scalar(kind byte, info int, d []byte) (*node, error) {
	if info > 4 || len(d) < 1<<info {
		return nil, b.errOutOfBounds
	}
	if kind != 1 {
		return &node{}, nil
	}
	return &node{text: strconv.FormatInt(int64(number(d[:1<<info])), 10)}, nil
}

// container reads an array's or a dictionary's references: first all keys, then all
// values.
func (b *binaryPlist) container(dict bool, count int, refs []byte, depth int) (*node, error) {
	n := &node{dict: dict}
	if dict {
		for i := range count {
			key, err := b.object(number(refs[i*b.refSize:][:b.refSize]), depth+1)
			if err != nil {
				return nil, err
			}
			n.keys = append(n.keys, key.text)
		}
		refs = refs[count*b.refSize:]
	}
	for i := range count {
		v, err := b.object(number(refs[i*b.refSize:][:b.refSize]), depth+1)
		if err != nil {
			return nil, err
		}
		n.items = append(n.items, v)
	}
	return n, nil
}
