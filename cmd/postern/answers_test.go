package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"postern/client/prompt"
)

const canary = "canary-4711"

var asked = prompt.Prompt{ID: 7, Title: "office", Message: "Who?", Fields: []prompt.Field{
	{Name: "user", Label: "User name", Kind: prompt.Text, Min: 1, Max: 20, Default: "alice"},
	{Name: "passcode", Label: "Passcode", Kind: prompt.Passcode, Min: 4, Max: 20},
	{Name: "answer", Label: "Answer", Kind: prompt.YesNo, Default: "no"},
}}

// TestAnswers gives a program's lines to one prompt.
func TestAnswers(t *testing.T) {
	tests := []struct {
		name, lines string
		want        string // user, passcode, answer
		err         error
		complaints  []string
	}{
		{name: "all", lines: `{"user": "bob", "passcode": "` + canary + `", "answer": "yes"}`, want: "bob " + canary + " yes"},
		{name: "defaults", lines: `{"passcode": "` + canary + `"}`, want: " " + canary + " "},
		{name: "more than was asked", lines: `{"passcode": "` + canary + `", "password": "x", "prompt": 7, "list": [1, {}]}`, want: " " + canary + " "},
		{name: "escapes", lines: `{"passcode": "a\u00e4\"\\n"}`, want: " a\u00e4\"\\n "},
		{name: "empty lines", lines: "\n  \n" + `{"passcode": "` + canary + `"}` + "\r\n", want: " " + canary + " "},
		{name: "cancelled", lines: `{"cancel": true}`, err: prompt.ErrCancelled},
		{name: "no further line", lines: "", err: prompt.ErrNotInteractive},
		{
			name: "lines that don't fit, then one that does",
			lines: canary + "\n[\"" + canary + "\"]\n{\"user\": \"" + canary + "\"}\n{\"passcode\": \"abc\"}\n" +
				"{\"passcode\": \"" + canary + "\", \"answer\": \"maybe\"}\n{\"passcode\": \"" + canary + "\", \"prompt\": 6}\n{\"passcode\": \"" + canary + "\"}",
			want: " " + canary + " ",
			complaints: []string{
				"isn't a JSON object", "isn't a JSON object", "passcode: isn't in the line", "passcode: at least 4", `answer: answer "yes" or "no"`, "prompt 6",
			},
		},
		{name: "a line without end", lines: `{"passcode": "` + strings.Repeat("x", maxAnswerLine), err: prompt.ErrNotInteractive},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log, out bytes.Buffer
			r := &responder{in: strings.NewReader(tt.lines), log: &log}
			if strings.Contains(tt.name, "fit") {
				r.out = json.NewEncoder(&out)
			}
			answers, err := r.ask(t.Context(), asked)
			if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if err == nil {
				if got := fmt.Sprintf("%s %s %s", []byte(answers["user"]), []byte(answers["passcode"]), []byte(answers["answer"])); got != tt.want {
					t.Errorf("%q, want %q", got, tt.want)
				}
			}
			if strings.Contains(log.String()+out.String()+fmt.Sprint(err), canary) {
				t.Errorf("an answer was told: %s%s%v", log.String(), out.String(), err)
			}
			told := strings.Split(strings.TrimSpace(out.String()), "\n")
			for i, c := range tt.complaints {
				if i+1 >= len(told) || !strings.Contains(strings.ReplaceAll(told[i+1], `\"`, `"`), c) || !strings.Contains(told[i+1], `"prompt":7`) {
					t.Errorf("told %q, want %q", told, c)
				}
			}
		})
	}
}

// TestAnswersInTime: a prompt ends with its deadline or its connection, and the
// line that comes too late isn't taken for another prompt's.
func TestAnswersInTime(t *testing.T) {
	in, program := io.Pipe()
	var out bytes.Buffer
	r := &responder{in: in, out: json.NewEncoder(&out), log: io.Discard}
	late := asked
	late.Deadline = time.Now().Add(20 * time.Millisecond)
	if _, err := r.ask(t.Context(), late); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.ask(ctx, asked); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if s := out.String(); strings.Count(s, `{"closed":7}`) != 2 || strings.Count(s, `{"prompt":{"id":7,"title":"office","message":"Who?","fields":[{"name":"user"`) != 2 {
		t.Error(s)
	}
	go func() {
		fmt.Fprintln(program, `{"passcode": "late", "prompt": 7}`)
		fmt.Fprintln(program, `{"passcode": "fresh", "prompt": 8}`)
		program.Close()
	}()
	next := asked
	next.ID = 8
	answers, err := r.ask(t.Context(), next)
	if err != nil || string([]byte(answers["passcode"])) != "fresh" {
		t.Errorf("%q, %v", []byte(answers["passcode"]), err)
	}
	if _, err := r.ask(t.Context(), next); !errors.Is(err, prompt.ErrNotInteractive) {
		t.Error(err)
	}
}

func FuzzAnswersTo(f *testing.F) {
	f.Add([]byte(`{"user": "bob", "passcode": "123456", "answer": "yes"}`))
	f.Add([]byte(`{"passcode": null, "prompt": 1e3, "cancel": "x"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		answers, err := answersTo(asked, line)
		if err != nil {
			if len(answers) > 0 {
				t.Error("answers beside an error")
			}
			return
		}
		for _, field := range asked.Fields {
			if err := field.Check(answers[field.Name]); err != nil {
				t.Error(err)
			}
		}
	})
}
