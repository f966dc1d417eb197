package formats

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of what is read. Chosen here: some hundred times what a profile needs.
const (
	maxFile  = 1 << 20  // octets of a file
	maxLine  = 64 << 10 // octets of a line
	maxLines = 1 << 16  // lines of a file
	maxDepth = 16       // of blocks in blocks
)

// text is a file as importers see it.
type text struct {
	name  string   // base name
	data  []byte   // as it came
	body  string   // decoded to UTF-8, each line end a "\n"; "" when the file isn't text
	lines []string // of body, without line ends
	used  bool     // as a companion
}

// decode takes UTF-8, with or without a byte order mark, UTF-16 with one, and else
// Windows-1252; lines end in LF, CRLF or CR. A file with NULs in it isn't text: it has
// data alone. f has its name even where there is an error.
func decode(file File) (f *text, err error) {
	f = &text{name: clean(base(file.Name))}
	if len(file.Data) > maxFile {
		return f, fmt.Errorf("the file has %d octets, a profile has at most %d", len(file.Data), maxFile)
	}
	if len(bytes.TrimSpace(file.Data)) == 0 {
		return f, errors.New("the file is empty")
	}
	f.data = file.Data
	body, ok := toUTF8(file.Data)
	if !ok || strings.IndexByte(body, 0) >= 0 {
		return f, nil
	}
	body = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(body)
	if n := strings.Count(body, "\n") + 1; n > maxLines {
		return f, fmt.Errorf("the file has %d lines, a profile has at most %d", n, maxLines)
	}
	lines := strings.Split(body, "\n")
	for i, line := range lines {
		if len(line) > maxLine {
			return f, fmt.Errorf("line %d has %d octets, a profile's line has at most %d", i+1, len(line), maxLine)
		}
	}
	f.body, f.lines = body, lines
	return f, nil
}

// toUTF8 guesses the encoding of data. It fails for UTF-16 of an odd length.
func toUTF8(data []byte) (string, bool) {
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		return fromUTF16(data[2:], binary.LittleEndian)
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return fromUTF16(data[2:], binary.BigEndian)
	case utf8.Valid(data):
		return strings.TrimPrefix(string(data), "\ufeff"), true
	}
	return fromWindows1252(data), true
}

func fromUTF16(data []byte, order binary.ByteOrder) (string, bool) {
	if len(data)%2 != 0 {
		return "", false
	}
	units := make([]uint16, len(data)/2)
	for i := range units {
		units[i] = order.Uint16(data[2*i:])
	}
	return string(utf16.Decode(units)), true
}

// windows1252 are the characters 0x80 to 0x9f; the five that aren't assigned stand for
// themselves, as in the WHATWG's Encoding Standard.
var windows1252 = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8d, 'Ž', 0x8f,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9d, 'ž', 'Ÿ',
}

func fromWindows1252(data []byte) string {
	var b strings.Builder
	for _, c := range data {
		if c >= 0x80 && c <= 0x9f {
			b.WriteRune(windows1252[c-0x80])
			continue
		}
		b.WriteRune(rune(c)) // ISO 8859-1
	}
	return b.String()
}

// isCertificate says whether a file looks like a certificate or a key: PEM, or a DER
// sequence whose length is the file's.
func (f *text) isCertificate() bool {
	if strings.Contains(f.body, "-----BEGIN ") {
		return true
	}
	d := f.data
	return len(d) > 4 && d[0] == 0x30 && d[1] == 0x82 && int(binary.BigEndian.Uint16(d[2:]))+4 == len(d)
}
