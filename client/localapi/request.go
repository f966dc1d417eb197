package localapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// What a request may have. Chosen here.
const (
	maxName     = 256 // octets
	maxForwards = 64
)

// readBody reads a request in JSON. The octets that it came in are cleared.
func readBody(w http.ResponseWriter, r *http.Request, request any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return withStatus{malformed("its Content-Type isn't application/json"), http.StatusUnsupportedMediaType}
	}
	body, err := readAll(w, r)
	defer clear(body)
	if c, ok := r.Context().Value(connKey{}).(*conn); ok {
		defer c.forget()
	}
	if err != nil {
		return err
	}
	if err := checkFields(body, reflect.TypeOf(request).Elem()); err != nil {
		return malformed("%v", err)
	}
	if err := json.Unmarshal(body, request); err != nil {
		var kind *json.UnmarshalTypeError
		if errors.As(err, &kind) {
			return malformed("field %q is of the wrong kind", kind.Field)
		}
		return malformed("%v", err)
	}
	if c, ok := request.(interface{ check() error }); ok {
		return c.check()
	}
	return nil
}

// readAll returns the body in octets of which there is no copy here.
func readAll(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	size := r.ContentLength
	if size > MaxMessage {
		return nil, tooLarge()
	}
	if size < 0 {
		size = MaxMessage // in chunks
	}
	deadline := http.NewResponseController(w)
	_ = deadline.SetReadDeadline(time.Now().Add(bodyTimeout))
	defer deadline.SetReadDeadline(time.Time{})
	body := make([]byte, size+1) // one more, to see what is too much
	n, err := io.ReadFull(r.Body, body)
	switch {
	case err == nil:
		return body, tooLarge()
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && r.ContentLength < 0, int64(n) == r.ContentLength:
		return body[:n], nil
	}
	return body, malformed("its body ends early")
}

func tooLarge() error {
	return &Reason{Code: CodeTooLarge, Exit: ExitProfile, Message: "The request is larger than 64 KiB.", Try: "Leave out what the gateway doesn't need, such as certificates of authorities that didn't sign its own."}
}

// checkNames tells names of people, connections and hosts from what can't be one: field,
// name, field, name.
func checkNames(names ...string) error {
	for pair := range slices.Chunk(names, 2) {
		field, s := pair[0], pair[1]
		if len(s) > maxName {
			return malformed("%s is longer than %d octets", field, maxName)
		}
		// package json made U+FFFD of what isn't UTF-8.
		if strings.ContainsFunc(s, unicode.IsControl) || strings.ContainsRune(s, utf8.RuneError) {
			return malformed("%s has characters that no name has", field)
		}
	}
	return nil
}

func (r *ConnectRequest) check() error {
	if (r.Profile == "") == (r.Document == nil) {
		return malformed("it names a profile or bears one, not both")
	}
	if len(r.Forwards) > maxForwards {
		return malformed("more than %d forwards", maxForwards)
	}
	for _, f := range r.Forwards {
		if err := checkNames("forwards", f); err != nil {
			return err
		}
	}
	if err := checkNames("profile", r.Profile, "proxy", r.Proxy); err != nil {
		return err
	}
	return r.Document.check()
}

// check takes a Document that isn't there.
func (d *Document) check() error {
	if d == nil {
		return nil
	}
	if d.Name == "" {
		return malformed("the profile has no name")
	}
	return checkNames("document.name", d.Name)
}

func (r *TunnelRequest) check() error {
	if (r.Tunnel == "") != r.All {
		return malformed("it names a connection, or means all")
	}
	return checkNames("tunnel", r.Tunnel)
}

func (r *AnswerRequest) check() error {
	if r.Tunnel == "" {
		return malformed("it names no connection")
	}
	if r.Cancel && len(r.Answers) > 0 {
		return malformed("it answers or cancels, not both")
	}
	return checkNames("tunnel", r.Tunnel)
}

func (r *ProbeRequest) check() error {
	if r.Host == "" {
		return malformed("it names no host")
	}
	return checkNames("host", r.Host, "identity", r.Identity, "identity_type", r.IdentityType)
}

func (r *DoctorRequest) check() error {
	if r.Tunnel != "" && r.Document != nil {
		return malformed("it names a connection or bears a profile, not both")
	}
	if err := checkNames("tunnel", r.Tunnel); err != nil {
		return err
	}
	return r.Document.check()
}

// Clear overwrites the secrets with zeros.
func (r *ConnectRequest) Clear() {
	clearAll(r.Secrets)
	r.Document.Clear()
}

// Clear overwrites the profile's secrets with zeros.
func (r *DoctorRequest) Clear() { r.Document.Clear() }

// Clear overwrites the answers with zeros.
func (r *AnswerRequest) Clear() { clearAll(r.Answers) }

// Clear overwrites the secrets, and what the files hold, with zeros.
func (d *Document) Clear() {
	if d != nil {
		clearAll(d.Secrets)
		clearAll(d.Files)
	}
}

func clearAll(m map[string]Octets) {
	for _, o := range m {
		o.Clear()
	}
}
