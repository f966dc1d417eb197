package formats

import (
	"fmt"
	"strings"
	"unicode"
)

// at is a place in a file.
type at struct {
	line int    // from 1; 0 for none
	key  string // as the format spells it; "" for none
}

// maxNotes bounds the notes of one kind of one profile. Chosen here.
const maxNotes = 200

// add appends a note, unless it stands there already. The last one of too many says
// that there are more.
func add(notes *[]Note, n Note) {
	n.Key, n.Text = clean(n.Key), clean(n.Text)
	switch len(*notes) {
	case maxNotes:
		return
	case maxNotes - 1:
		n = Note{File: n.File, Text: "There is more of this kind, which isn't listed."}
	}
	for _, old := range *notes {
		if old == n {
			return
		}
	}
	*notes = append(*notes, n)
}

// maxClean bounds what is shown of a file's text, in characters. Chosen here.
const maxClean = 400

// clean makes text of a file fit to be shown: a line of printable characters.
func clean(s string) string {
	if len(s) > 4*maxClean {
		s = s[:4*maxClean]
	}
	runes := []rune(strings.ToValidUTF8(s, "?"))
	if len(runes) > maxClean {
		runes = append(runes[:maxClean-1], '…')
	}
	for i, r := range runes {
		if !unicode.IsPrint(r) {
			runes[i] = '?'
		}
	}
	return string(runes)
}

// quoted shows a value, which must not be a secret, in a note.
func quoted(value string) string {
	if r := []rune(clean(value)); len(r) > 60 {
		value = string(r[:59]) + "…"
	}
	return fmt.Sprintf("%q", clean(value))
}
