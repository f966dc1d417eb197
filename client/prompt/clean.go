package prompt

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Clean makes one line of text from a gateway fit to be shown, logged or
// handed to another program: line ends and tabs become one blank, what can't
// be seen is dropped (control characters, terminal escapes' introducer,
// overrides of the writing direction, zero-width characters but the two
// joiners that some scripts need), and blanks at the ends go. Text that isn't
// UTF-8 is read as Windows-1252. The result is valid UTF-8 of at most max
// characters; longer text is cut and ends with "…". Clean(Clean(s)) == Clean(s).
func Clean(s string, max int) string {
	return clean(s, max, ' ')
}

// CleanText is Clean for text of several lines, such as a banner: line ends
// stay, as "\n" whatever they were.
func CleanText(s string, max int) string {
	return clean(s, max, '\n')
}

func clean(s string, max int, lineEnd rune) string {
	s = strings.ReplaceAll(toUTF8(s), "\r\n", "\n")
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\v', r == '\f', r == '\u0085', r == '\u2028', r == '\u2029':
			return lineEnd
		case r == '\t':
			return ' '
		case r == '\u200c', r == '\u200d': // zero width non-joiner and joiner
			return r
		case !unicode.IsGraphic(r):
			return -1
		}
		return r
	}, s))
	return cut(s, max)
}

// cut shortens s to max characters, the last of them "…" when something went.
func cut(s string, max int) string {
	if utf8.RuneCountInString(s) <= max {
		return s
	}
	if max <= 0 {
		return ""
	}
	end, n := 0, 0
	for i := range s {
		if n == max-1 {
			end = i
			break
		}
		n++
	}
	return strings.TrimRightFunc(s[:end], unicode.IsSpace) + "…"
}

// toUTF8 returns s when it is UTF-8, else reads it as Windows-1252, whose
// lower half is ASCII; its five empty places become U+FFFD.
func toUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 0x80 && c < 0xa0:
			b.WriteRune(windows1252[c-0x80])
		default:
			b.WriteRune(rune(c)) // ISO 8859-1 is the first 256 places of Unicode
		}
	}
	return b.String()
}

// windows1252 gives places 0x80 to 0x9f; the others are those of ISO 8859-1.
var windows1252 = [32]rune{
	'€', '\ufffd', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\ufffd', 'Ž', '\ufffd',
	'\ufffd', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\ufffd', 'ž', 'Ÿ',
}
