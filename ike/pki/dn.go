package pki

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// attribute is one assertion of a distinguished name, folded for comparing: which
// string type holds it, its case and runs of blanks don't matter (RFC 5280,
// section 7.1).
type attribute struct{ oid, value string }

// flatten lists the attributes of a distinguished name in its order.
func flatten(der []byte) ([]attribute, error) {
	var seq pkix.RDNSequence
	rest, err := asn1.Unmarshal(der, &seq)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, errors.New("octets behind a distinguished name")
	}
	var out []attribute
	for _, set := range seq {
		for _, a := range set {
			text, ok := a.Value.(string)
			if !ok {
				return nil, fmt.Errorf("the attribute %v isn't text", a.Type)
			}
			out = append(out, attribute{a.Type.String(), fold(text)})
		}
	}
	return out, nil
}

func fold(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }

// sameDN compares distinguished names.
func sameDN(a, b []byte) bool {
	want, err := flatten(a)
	return err == nil && isDN(b, want)
}

// isDN says whether a distinguished name has these attributes, in this order or
// backwards.
func isDN(der []byte, want []attribute) bool {
	got, err := flatten(der)
	if err != nil || len(got) == 0 {
		return false
	}
	if slices.Equal(got, want) {
		return true
	}
	slices.Reverse(got)
	return slices.Equal(got, want)
}

// attributeTypes are the usual short names (RFC 4514, section 3; openssl's).
var attributeTypes = map[string]string{
	"cn": "2.5.4.3", "sn": "2.5.4.4", "serialnumber": "2.5.4.5", "c": "2.5.4.6", "l": "2.5.4.7",
	"st": "2.5.4.8", "s": "2.5.4.8", "street": "2.5.4.9", "o": "2.5.4.10", "ou": "2.5.4.11", "t": "2.5.4.12", "title": "2.5.4.12",
	"postalcode": "2.5.4.17", "gn": "2.5.4.42", "dc": "0.9.2342.19200300.100.1.25", "uid": "0.9.2342.19200300.100.1.1",
	"e": "1.2.840.113549.1.9.1", "email": "1.2.840.113549.1.9.1", "emailaddress": "1.2.840.113549.1.9.1",
}

// parseDN reads "CN=gw, O=Example\, Inc." and "/O=Example/CN=gw".
func parseDN(s string) ([]attribute, error) {
	separators := ",;+"
	if strings.HasPrefix(s, "/") {
		separators, s = "/", s[1:]
	}
	var out []attribute
	for _, part := range splitUnescaped(s, separators) {
		key, value, ok := strings.Cut(part, "=")
		key, value = strings.ToLower(strings.TrimSpace(key)), strings.TrimSpace(value)
		oid, known := attributeTypes[key]
		if !known && key != "" && strings.Trim(key, "0123456789.") == "" {
			oid, known = key, true
		}
		if !ok || !known {
			return nil, fmt.Errorf("%q is no attribute of a distinguished name", part)
		}
		if n := len(value); n >= 2 && value[0] == '"' && value[n-1] == '"' {
			value = value[1 : n-1]
		}
		out = append(out, attribute{oid, fold(unescape(value))})
	}
	return out, nil
}

// splitUnescaped cuts at separators that stand neither behind a \ nor in quotation marks.
func splitUnescaped(s, separators string) (parts []string) {
	start, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte(separators, s[i]) >= 0:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
