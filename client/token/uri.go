// Package token signs with private keys that live in smart cards and other tokens,
// through PKCS #11. The key never leaves its token: only what is to be signed, or
// decrypted, goes there.
//
// PKCS #11 is a C library of the token's maker, so that a program that can use it is
// built with a C compiler and the tag pkcs11 (go build -tags pkcs11). The library
// runs inside the process with all of its rights: a service must not open one that a
// person names.
//
// Files: uri.go names objects in tokens, open_pkcs11.go opens them, open_none.go
// says that this program can't.
package token

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
)

// URI names an object in a token (RFC 7512): "pkcs11:token=Alice;object=vpn" and
// behind a "?" where the token's library is.
type URI struct {
	Token, Serial string // the token's label or serial number
	Slot          *int   // or where it is
	Object        string // the object's label
	ID            []byte // the object's CKA_ID
	Module        string // the path of the library
}

// defaultModule is p11-kit's, which has those of all modules that the system knows. It
// is looked for where the system keeps libraries.
const defaultModule = "p11-kit-proxy.so"

// ParseURI reads a URI. A PIN must not stand in it: it is asked for, or is the
// profile's key_passphrase.
func ParseURI(s string) (u URI, err error) {
	rest, ok := strings.CutPrefix(s, "pkcs11:")
	if !ok {
		return u, errors.New(`wants "pkcs11:" before it`)
	}
	path, query, _ := strings.Cut(rest, "?")
	u.Module = defaultModule
	seen := map[string]bool{}
	parts := append(strings.Split(path, ";"), strings.Split(query, "&")...)
	for i, part := range parts {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		if value, err = url.PathUnescape(value); err != nil {
			return u, fmt.Errorf("%s: a %% stands before what isn't hexadecimal", clean(name))
		}
		if seen[name] {
			return u, fmt.Errorf("%s stands twice", clean(name))
		}
		seen[name] = true
		if err := u.set(name, value, i > strings.Count(path, ";")); err != nil {
			return u, err
		}
	}
	if n := count(u.Token != "", u.Serial != "", u.Slot != nil); n != 1 {
		return u, errors.New("wants one of token=…, serial=… and slot-id=…")
	}
	return u, nil
}

func count(bs ...bool) (n int) {
	for _, b := range bs {
		if b {
			n++
		}
	}
	return n
}

// set takes one attribute. Those that narrow the choice without need are passed over.
func (u *URI) set(name, value string, query bool) error {
	if strings.ContainsRune(value, 0) && name != "id" {
		return fmt.Errorf("%s: has a NUL character in it", clean(name))
	}
	switch {
	case name == "pin-value", name == "pin-source":
		return fmt.Errorf("%s: a PIN doesn't belong here; it is key_passphrase in the profile, or asked for", name)
	case query && name == "module-path":
		if !filepath.IsAbs(value) {
			return errors.New("module-path: wants an absolute path")
		}
		u.Module = value
	case query && name == "module-name":
		if strings.ContainsAny(value, `/\`) || value == "" {
			return errors.New("module-name: wants a name without a path")
		}
		if u.Module == defaultModule {
			u.Module = "lib" + value + ".so"
		}
	case query:
		return nil // a vendor's
	case name == "token":
		u.Token = value
	case name == "serial":
		u.Serial = value
	case name == "slot-id":
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return errors.New("slot-id: wants a number")
		}
		slot := int(n)
		u.Slot = &slot
	case name == "object":
		u.Object = value
	case name == "id":
		u.ID = []byte(value)
	case name == "type", name == "manufacturer", name == "model",
		strings.HasPrefix(name, "library-"), strings.HasPrefix(name, "slot-"), strings.HasPrefix(name, "x-"):
	default:
		return fmt.Errorf("%s: isn't known here", clean(name))
	}
	return nil
}

// clean makes text fit to be shown.
func clean(s string) string {
	if len(s) > 32 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return hex.EncodeToString([]byte(s[:min(len(s), 16)])) + "…"
	}
	return s
}

// name is the token for a person.
func (u URI) name() string {
	switch {
	case u.Token != "":
		return strconv.Quote(u.Token)
	case u.Serial != "":
		return "with the serial number " + strconv.Quote(u.Serial)
	case u.Slot != nil:
		return fmt.Sprintf("in slot %d", *u.Slot)
	}
	return ""
}

var (
	// ErrPIN says that the token doesn't take the PIN. Most tokens take only a few
	// wrong ones: don't try it again.
	ErrPIN = errors.New("the token doesn't take this PIN")
	// ErrUnsupported says that this program was built without PKCS #11.
	ErrUnsupported = errors.New("this program was built without PKCS #11 and can't use tokens; one built with the tag pkcs11 can")
)
