package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/client/prompt"
)

func TestAsk(t *testing.T) {
	field := func(k prompt.Kind, least, most int) prompt.Prompt {
		return prompt.Prompt{Title: "office", Fields: []prompt.Field{{Name: "x", Label: "Label", Kind: k, Min: least, Max: most}}}
	}
	tests := []struct {
		name   string
		prompt prompt.Prompt
		typed  string
		want   string // the answer
		err    error
		shows  string
		hides  string
	}{
		{name: "text is echoed", prompt: field(prompt.Text, 1, 0), typed: "alice\r", want: "alice", shows: "Label: alice"},
		{name: "text without blanks around it", prompt: field(prompt.Text, 1, 0), typed: " alice \r", want: "alice"},
		{name: "a secret isn't echoed", prompt: field(prompt.Secret, 1, 0), typed: "hunter2\r", want: "hunter2", shows: "Label: ", hides: "hunter2"},
		{name: "a secret keeps its blanks", prompt: field(prompt.Secret, 1, 0), typed: " a b \r", want: " a b "},
		{name: "a passcode isn't echoed", prompt: field(prompt.Passcode, 1, 0), typed: "123456\r", want: "123456", hides: "123456"},
		{name: "backspace", prompt: field(prompt.Secret, 1, 0), typed: "hx\x7funter2\r", want: "hunter2"},
		{name: "an answer too short is asked for again", prompt: field(prompt.Text, 3, 0), typed: "a\rabc\r", want: "abc", shows: "at least 3"},
		{name: "an answer too long is asked for again", prompt: field(prompt.Text, 0, 2), typed: "abc\rab\r", want: "ab", shows: "at most 2"},
		{name: "a new PIN is typed twice", prompt: field(prompt.NewPIN, 4, 8), typed: "1234\r1234\r", want: "1234", shows: "(again)", hides: "1234"},
		{name: "two PINs that differ", prompt: field(prompt.NewPIN, 4, 8), typed: "1234\r1235\r5678\r5678\r", want: "5678", shows: "the two differ"},
		{name: "yes", prompt: field(prompt.YesNo, 0, 0), typed: "maybe\rY\r", want: "yes", shows: "[yes/no]"},
		{name: "no", prompt: field(prompt.YesNo, 0, 0), typed: "no\r", want: "no"},
		{name: "Enter is the default", prompt: prompt.Prompt{Fields: []prompt.Field{{Name: "x", Label: "New PIN?", Kind: prompt.YesNo, Default: "no"}}}, typed: "\r", shows: "New PIN? [yes/no] (no): "},
		{name: "a name that was typed before", prompt: prompt.Prompt{Fields: []prompt.Field{{Name: "x", Label: "User name", Min: 1, Default: "alice"}}}, typed: "\r", shows: "User name (alice): "},
		{name: "Ctrl-C", prompt: field(prompt.Secret, 1, 0), typed: "hun\x03", err: prompt.ErrCancelled},
		{name: "Ctrl-D", prompt: field(prompt.Text, 1, 0), typed: "\x04", err: prompt.ErrCancelled},
		{name: "the terminal is gone", prompt: field(prompt.Text, 1, 0), typed: "ali", err: prompt.ErrCancelled},
		{name: "Ctrl-C at the second PIN", prompt: field(prompt.NewPIN, 1, 0), typed: "1234\r\x03", err: prompt.ErrCancelled},
		{name: "a label with an escape in it", prompt: prompt.Prompt{Fields: []prompt.Field{{Name: "x", Label: "a\x1b[31mb"}}}, typed: "\r", shows: "a[31mb: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var screen bytes.Buffer
			answers, err := ask(terminal{strings.NewReader(tt.typed), &screen}, tt.prompt, 80, 24)
			if !errors.Is(err, tt.err) || (err != nil) != (tt.err != nil) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, string([]byte(answers["x"]))); diff != "" {
				t.Error(diff)
			}
			if !strings.Contains(screen.String(), tt.shows) {
				t.Errorf("%q doesn't show %q", screen.String(), tt.shows)
			}
			if tt.hides != "" && strings.Contains(screen.String(), tt.hides) {
				t.Errorf("%q shows %q", screen.String(), tt.hides)
			}
		})
	}
}

func TestAskMessage(t *testing.T) {
	var screen bytes.Buffer
	p := prompt.Prompt{Title: "office", Message: "Welcome\nto \u202ethe net"}
	answers, err := ask(terminal{strings.NewReader("\r"), &screen}, p, 80, 24)
	if err != nil || len(answers) != 0 {
		t.Fatalf("%d answers, error %v", len(answers), err)
	}
	if want := "office\r\nWelcome\r\nto the net\r\n"; !strings.HasPrefix(screen.String(), want) {
		t.Errorf("shows %q, want %q first", screen.String(), want)
	}
}

// The last minute is told on a line of its own, above what is being typed.
func TestAskClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for left, want := range map[time.Duration]string{
			0: "", 300 * time.Millisecond: "", 30 * time.Second: "The gateway waits 30s more.\r\nPassword: ", 165 * time.Second: "",
		} {
			p := prompt.Prompt{Fields: []prompt.Field{{Name: "password", Label: "Password", Kind: prompt.Secret}}}
			if left > 0 {
				p.Deadline = time.Now().Add(left)
			}
			var screen bytes.Buffer
			if _, err := ask(terminal{strings.NewReader("x\r"), &screen}, p, 80, 24); err != nil {
				t.Fatal(err)
			}
			if s := screen.String(); !strings.HasPrefix(s, want) || want == "" && strings.Contains(s, "waits") {
				t.Errorf("%v: %q", left, s)
			}
		}
		var screen bytes.Buffer
		stop := clock(&screen, time.Now().Add(165*time.Second))
		time.Sleep(106 * time.Second)
		synctest.Wait()
		if s := screen.String(); s != "The gateway waits 1m0s more.\n" {
			t.Errorf("%q", s)
		}
		stop()
	})
}

// terminal joins what is typed and what is shown.
type terminal struct {
	io.Reader
	io.Writer
}
