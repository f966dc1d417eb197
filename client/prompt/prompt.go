// Package prompt holds the questions that a login asks a person, and nothing
// that asks them: XAuth and the VPN 5000's dialogues make a Prompt, a terminal,
// a window or a client of the local API answers it.
//
// Files: prompt.go the types, answer.go what came back, clean.go text from a
// gateway made fit to be shown.
package prompt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

var (
	// ErrCancelled says that the person declined to answer.
	ErrCancelled = errors.New("cancelled by the user")

	// ErrNotInteractive says that an answer is needed and there is nobody to
	// ask: no terminal, or questions were forbidden.
	ErrNotInteractive = errors.New("input is needed and nobody can be asked")
)

// Prompt is one dialogue: everything that is asked at one time.
type Prompt struct {
	// ID tells one prompt of a process from another; 0 where nobody needs that.
	ID uint64 `json:"id,omitempty"`

	// Title is one line and says who asks, for example "office: log in".
	Title string `json:"title"`

	// Message is text of the gateway to show above the fields. It may have
	// several lines, and its maker has passed it through CleanText.
	Message string `json:"message,omitempty"`

	// Fields are asked in this order. A prompt without fields is a message
	// to be acknowledged.
	Fields []Field `json:"fields,omitempty"`

	// Deadline is when the gateway stops waiting; zero when it never does.
	Deadline time.Time `json:"deadline,omitzero"`
}

// Field is one question.
type Field struct {
	// Name identifies the answer in Answers, for example "password".
	Name string `json:"name"`

	// Label is one line to show before the input. Where it comes from the
	// gateway, its maker has passed it through Clean.
	Label string `json:"label"`

	// Kind says how the answer is typed and shown.
	Kind Kind `json:"kind"`

	// Min and Max bound the answer's length in characters. Max 0 is no bound.
	Min int `json:"min,omitempty"`
	Max int `json:"max,omitempty"`

	// Default is what an empty answer stands for, whatever Min says; never a
	// secret. "" is none.
	Default string `json:"default,omitempty"`
}

// Kind says how a field is typed and shown.
type Kind uint8

const (
	// Text is shown as it is typed.
	Text Kind = iota
	// Secret isn't shown, and may be kept in a keyring.
	Secret
	// Passcode isn't shown, and is good for one use: it must never be kept.
	Passcode
	// NewPIN isn't shown, and is typed twice.
	NewPIN
	// YesNo is answered "yes" or "no".
	YesNo
)

var kindNames = [...]string{Text: "text", Secret: "secret", Passcode: "passcode", NewPIN: "new-pin", YesNo: "yes-no"}

// String gives the kind as JSON has it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// MarshalText returns the kind's name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText takes the kind's name.
func (k *Kind) UnmarshalText(text []byte) error {
	i := slices.Index(kindNames[:], string(text))
	if i < 0 {
		return errors.New("unknown kind of field")
	}
	*k = Kind(i)
	return nil
}

// Hidden says whether the answer must not be shown as it is typed.
func (k Kind) Hidden() bool { return k == Secret || k == Passcode || k == NewPIN }

// Check says what is wrong with an answer, in words for the person who typed
// it, or nil. The error doesn't contain the answer.
func (f Field) Check(a Answer) error {
	n := utf8.RuneCount(a)
	switch {
	case n == 0 && f.Default != "":
		return nil
	case f.Kind == YesNo && string(a) != "yes" && string(a) != "no":
		return errors.New(`answer "yes" or "no"`)
	case n < f.Min:
		return fmt.Errorf("at least %d characters are needed", f.Min)
	case f.Max > 0 && n > f.Max:
		return fmt.Errorf("at most %d characters are possible", f.Max)
	}
	return nil
}

// Func asks a person and returns an answer for every field, which may be empty
// or absent where the field has a default, or ErrCancelled,
// ErrNotInteractive, or the context's error, perhaps wrapped. It returns soon
// after ctx is done or p.Deadline has passed (context.DeadlineExceeded). The
// caller owns the answers and clears them. A Func may be called by several
// goroutines at once.
type Func func(ctx context.Context, p Prompt) (Answers, error)

// Nobody is the Func for runs without a person: it returns ErrNotInteractive.
func Nobody(context.Context, Prompt) (Answers, error) { return nil, ErrNotInteractive }
