package localapi

import (
	"fmt"
	"net/http"
	"strings"

	"postern/client/prompt"
)

// Reason is why a connection isn't up, or why a call failed: a code for scripts, which
// is a contract, and a sentence for a person with what to try next.
type Reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`          // what happened, with its likely cause
	Try     string `json:"try,omitempty"`    // the next thing to try
	Exit    int    `json:"exit"`             // the exit code of a command that ends with it
	Detail  string `json:"detail,omitempty"` // the error as the engine said it
}

func (r *Reason) Error() string {
	if r.Try == "" {
		return r.Message
	}
	return r.Message + " " + r.Try
}

// Exit codes.
const (
	ExitOK          = 0
	ExitOther       = 1
	ExitCredentials = 2
	ExitTimeout     = 3
	ExitRefused     = 4
	ExitNetwork     = 5
	ExitInput       = 6
	ExitProfile     = 7
	ExitPermission  = 8
	ExitService     = 9
	ExitNoProfile   = 10
	ExitIdentity    = 11
	ExitTryLater    = 75
	ExitInterrupted = 130
	ExitTerminated  = 143
)

// Codes of a Reason that belong to the calls; those of a connection are package
// client's.
const (
	CodeRequest       = "request"         // a call that no program of ours makes: malformed, or from a web page
	CodeProfile       = "profile"         // a profile that can't be used
	CodeNotPermitted  = "not_permitted"   // the caller may not
	CodeNoSuchProfile = "no_such_profile" // or not one that the caller may know of
	CodeNoSuchTunnel  = "no_such_tunnel"  // likewise
	CodeStalePrompt   = "stale_prompt"    // an answer to a question that is no longer asked
	CodeTooLarge      = "too_large"       // a request over MaxMessage
	CodeUnsupported   = "unsupported"     // this daemon can't
	CodeBusy          = "busy"            // too many connections to the daemon
	CodeOther         = "other"
	CodeNoService     = "no_service"    // nobody listens, or the daemon ended meanwhile
	CodeWrongService  = "wrong_service" // what listens isn't a postern that we understand
)

// httpStatus is the HTTP status that a Reason travels with.
func (r *Reason) httpStatus() int {
	switch r.Code {
	case CodeRequest, CodeProfile:
		return http.StatusBadRequest
	case CodeNotPermitted:
		return http.StatusForbidden
	case CodeNoSuchProfile, CodeNoSuchTunnel:
		return http.StatusNotFound
	case CodeStalePrompt:
		return http.StatusConflict
	case CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case CodeUnsupported:
		return http.StatusNotImplemented
	case CodeBusy:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// NotPermitted says that the caller may not do something, for example "connect", and
// names the command that changes it.
func NotPermitted(c Caller, what string) *Reason {
	return &Reason{
		Code: CodeNotPermitted, Exit: ExitPermission,
		Message: fmt.Sprintf("%s may not %s here: that is for root and the group %s.", prompt.Clean(c.Name, 64), what, Group),
		Try:     "Have an administrator run this, then log in again: sudo usermod -aG " + Group + " " + Word(c.Name),
	}
}

// Word writes a name as one word of a shell.
func Word(s string) string {
	s = prompt.Clean(s, 256)
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-@+", r)
	}
	if s != "" && s[0] != '-' && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// NoSuchProfile says that a profile isn't there, or isn't the caller's to know.
func NoSuchProfile(name string) *Reason {
	return &Reason{
		Code: CodeNoSuchProfile, Exit: ExitNoProfile,
		Message: fmt.Sprintf("There is no profile %q.", prompt.Clean(name, 64)), Try: "List those there are with: postern list",
	}
}

// NoSuchTunnel says that a connection isn't there, or isn't the caller's to know.
func NoSuchTunnel(name string) *Reason {
	return &Reason{
		Code: CodeNoSuchTunnel, Exit: ExitNoProfile,
		Message: fmt.Sprintf("There is no connection %q.", prompt.Clean(name, 64)), Try: "List those there are with: postern status",
	}
}

// StalePrompt says that an answer came for a question that is no longer asked.
func StalePrompt() *Reason {
	return &Reason{Code: CodeStalePrompt, Exit: ExitInput, Message: "That question isn't asked any more.", Try: "Answer the one that is asked now."}
}

// Unsupported says that this daemon can't do something, for example "forward ports".
func Unsupported(what string) *Reason {
	return &Reason{Code: CodeUnsupported, Exit: ExitOther, Message: "This service can't " + what + "."}
}

// malformed says that a call isn't one that we know.
func malformed(format string, args ...any) *Reason {
	return &Reason{Code: CodeRequest, Exit: ExitProfile, Message: "The request isn't understood: " + fmt.Sprintf(format, args...) + "."}
}
