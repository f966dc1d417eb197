package localapi

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Names and texts of a request, in octets. Chosen here.
const (
	maxName  = 256
	maxItems = 64
)

// readBody reads a request in JSON. The octets that it came in are cleared.
func readBody(w http.ResponseWriter, r *http.Request, request any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return withStatus{malformed("its Content-Type isn't application/json"), http.StatusUnsupportedMediaType}
	}
	body, err := readAll(w, r)
	defer clear(body)
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
	defer deadline.SetReadDeadline(time.Time{}) //nolint:errcheck // the connection is gone then
	body := make([]byte, size+1)                // one more, to see what is too much
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

// checkName tells a name of a person, connection or host from what can't be one.
func checkName(what, s string) error {
	if len(s) > maxName {
		return malformed("%s is longer than %d octets", what, maxName)
	}
	return checkText(what, s)
}

func checkText(what, s string) error {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) || strings.ContainsRune(s, utf8.RuneError) {
		return malformed("%s has characters that can't be seen", what)
	}
	return nil
}

func (r *ConnectRequest) check() error {
	if (r.Profile == "") == (r.Document == nil) {
		return malformed("it names a profile or bears one, not both")
	}
	if r.Document != nil && r.Document.Name == "" {
		return malformed("the profile has no name")
	}
	if len(r.Forwards) > maxItems {
		return malformed("more than %d forwards", maxItems)
	}
	names := map[string][]string{"profile": {r.Profile}, "proxy": {r.Proxy}, "forwards": r.Forwards}
	if r.Document != nil {
		names["the profile's name"] = []string{r.Document.Name}
	}
	for what, all := range names {
		for _, s := range all {
			if err := checkName(what, s); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *TunnelRequest) check() error {
	if (r.Tunnel == "") != r.All {
		return malformed("it names a connection, or means all")
	}
	return checkName("tunnel", r.Tunnel)
}

func (r *AnswerRequest) check() error {
	if r.Tunnel == "" {
		return malformed("it names no connection")
	}
	if r.Cancel && len(r.Answers) > 0 {
		return malformed("it answers or cancels, not both")
	}
	return checkName("tunnel", r.Tunnel)
}

func (r *ProbeRequest) check() error {
	if r.Host == "" {
		return malformed("it names no host")
	}
	if err := checkName("host", r.Host); err != nil {
		return err
	}
	return checkName("identity", r.Identity)
}

func (r *DoctorRequest) check() error { return checkName("tunnel", r.Tunnel) }

// Clear overwrites the secrets with zeros.
func (r *ConnectRequest) Clear() {
	clearAll(r.Secrets)
	if r.Document != nil {
		clearAll(r.Document.Secrets)
		clearAll(r.Document.Files)
	}
}

// Clear overwrites the answers with zeros.
func (r *AnswerRequest) Clear() { clearAll(r.Answers) }

func clearAll(m map[string]Octets) {
	for _, o := range m {
		o.Clear()
	}
}
