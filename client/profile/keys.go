package profile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// want is what a key's value has to be, in words for a person.
type want string

const (
	text    want = `text in quotes`
	texts   want = `a list of texts, like ["a", "b"]`
	number  want = `a whole number`
	truth   want = `true or false`
	maybe   want = `true, false or "optional"`
	perhaps want = `true, false or "gateway"`
	table   want = `a table, like [lifetime]`
)

// keys are all keys of a profile.
var keys = map[string]want{
	"name": text, "gateway": text, "backup": texts, "mode": text,
	"identity": text, "identity_type": text, "gateway_identity": text, "auth": text,
	"secret": text, "secret_encoding": text, "secret_file": text,
	"certificate": text, "key": text, "ca": text, "gateway_certificate": text, "gateway_pin": text,
	"key_passphrase": text, "key_passphrase_file": text, "crl": texts,
	"certificates": table, "certificates.allow_sha1": truth, "certificates.min_rsa_bits": number,
	"xauth": maybe, "user": text, "password": text, "password_file": text, "domain": text,
	"otp": text, "otp_secret": text, "otp_secret_file": text,
	"vpn5000": text, "radius": text, "pap_auth_secret": text, "vendor": text,
	"ike": texts, "esp": texts, "pfs": text, "selectors": text,
	"nat_traversal": text, "source_port": number, "address": text,
	"networks": texts, "exclude": texts, "default_route": truth, "local_lan": truth,
	"dns": truth, "dns_servers": texts, "search": texts,
	"mtu": number, "dpd": text, "interface": text,
	"autoconnect": truth, "kill_switch": truth, "block_ipv6": truth,
	"lifetime": table, "lifetime.ike": text, "lifetime.esp": text,
	"policy": table, "policy.locked": texts, "policy.preset": texts, "policy.save_secrets": perhaps,
	"policy.minimum_strength": text, "policy.allowed_gateways": texts, "policy.expires": text,
}

// survey notes the line of every key in a document, and stops at the first
// key that is unknown, stands there twice or has a value of the wrong type, or
// where the document isn't TOML any more (which is the decoder's to report).
type survey struct {
	parser unstable.Parser
	lines  map[string]int // from 1
}

// run surveys a document. The error lacks the file's name.
func (s *survey) run(document []byte) *Error {
	s.lines = map[string]int{}
	s.parser.Reset(document)
	prefix := ""
	for s.parser.NextExpression() {
		node := s.parser.Expression()
		var err *Error
		switch node.Kind {
		case unstable.KeyValue:
			err = s.keyValue(prefix, node)
		default: // a table's header
			prefix, err = s.note("", node, node.Kind)
			prefix += "."
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// keyValue notes one key, and those in it when its value is an inline table.
func (s *survey) keyValue(prefix string, node *unstable.Node) *Error {
	value := node.Value()
	key, err := s.note(prefix, node, value.Kind)
	if err != nil {
		return err
	}
	fault := &Error{Line: s.lines[key], Key: key}
	switch children := value.Children(); value.Kind {
	case unstable.InlineTable:
		for children.Next() {
			if err := s.keyValue(key+".", children.Node()); err != nil {
				return err
			}
		}
	case unstable.Array:
		for children.Next() {
			if k := children.Node().Kind; k != unstable.String && k != unstable.Comment {
				fault.Problem = fmt.Sprintf("wants %s, and %s stands in it", texts, describe(k))
				return fault
			}
		}
	}
	return nil
}

// note checks a key and its value's type, and notes the key's line.
func (s *survey) note(prefix string, node *unstable.Node, kind unstable.Kind) (string, *Error) {
	var parts []string
	line := 0
	for it := node.Key(); it.Next(); {
		if line == 0 {
			line = s.parser.Shape(it.Node().Raw).Start.Line
		}
		parts = append(parts, string(it.Node().Data))
	}
	key := prefix + strings.Join(parts, ".")
	fault := &Error{Line: line, Key: key}
	wanted, known := keys[key]
	switch {
	case !known:
		fault.Key = cutKey(key)
		fault.Problem = unknown(key)
	case s.lines[key] > 0:
		fault.Problem = fmt.Sprintf("stands in line %d already", s.lines[key])
	case !wanted.takes(kind):
		fault.Problem = fmt.Sprintf("wants %s, not %s", wanted, describe(kind))
	default:
		s.lines[key] = line
		return key, nil
	}
	return key, fault
}

// takes says whether a value of that kind can be what is wanted.
func (w want) takes(kind unstable.Kind) bool {
	switch kind {
	case unstable.String:
		return w == text || w == maybe || w == perhaps
	case unstable.Bool:
		return w == truth || w == maybe || w == perhaps
	case unstable.Integer:
		return w == number
	case unstable.Array:
		return w == texts
	case unstable.Table, unstable.InlineTable:
		return w == table
	}
	return false
}

// describe names a kind of value in words for a person.
func describe(kind unstable.Kind) string {
	switch kind {
	case unstable.String:
		return "text"
	case unstable.Bool:
		return "true or false"
	case unstable.Integer, unstable.Float:
		return "a number"
	case unstable.Array:
		return "a list"
	case unstable.Table, unstable.InlineTable:
		return "a table"
	case unstable.ArrayTable:
		return "a list of tables"
	}
	return "a date or time"
}

// unknown says which key was perhaps meant.
func unknown(key string) string {
	best, _ := Nearest(cutKey(key), slices.Sorted(maps.Keys(keys)))
	return fmt.Sprintf("unknown key; the nearest known one is %q", best)
}

// Nearest returns the first of some words that is least different from another, and by
// how many characters (Levenshtein); "" and -1 where there are none.
func Nearest(word string, words []string) (best string, least int) {
	least = -1
	for _, w := range words {
		if d := distance(word, w); least < 0 || d < least {
			best, least = w, d
		}
	}
	return best, least
}

// cutKey shortens an unknown key, which may be anything and of any length, to
// what can be shown.
func cutKey(key string) string {
	runes := []rune(strings.ToValidUTF8(key, "?"))
	if len(runes) > 40 {
		runes = append(runes[:39], '…')
	}
	for i, r := range runes {
		if r < ' ' || r == 0x7f {
			runes[i] = '?'
		}
	}
	return string(runes)
}

// distance is Levenshtein's: how many characters have to be put in, left out
// or changed to turn a into b.
func distance(a, b string) int {
	from, to := []rune(a), []rune(b)
	row := make([]int, len(to)+1)
	for j := range row {
		row[j] = j
	}
	for i, r := range from {
		diagonal := row[0]
		row[0] = i + 1
		for j, q := range to {
			changed := diagonal
			if r != q {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(to)]
}
