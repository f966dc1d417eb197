package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"postern/client/prompt"
)

// answersHelp is the part of the help that says how a responder answers.
const answersHelp = `With --answers-fd a program answers what a person would be asked: one JSON object a
line, with the names of the prompt's fields.

    {"user": "alice", "password": "…"}
    {"passcode": "123456"}          a code
    {"answer": "yes"}               or "no", a field of kind yes-no
    {"new-pin": "4711"}             once, unlike on a terminal
    {"cancel": true}                nobody will answer this prompt

Lines may be written ahead: each prompt takes the next. "prompt": N in a line makes
it an answer to prompt N only, and else it is dropped. What a prompt doesn't ask for
is ignored; a line that lacks a field, unless the field has a default, is dropped.
The end of the lines is the end of answers: exit code 6.

Where the descriptor is a socket, prompts and complaints come on it too:

    {"prompt": {"id": 1, "title": "office: log in", "message": "…",
      "fields": [{"name": "passcode", "label": "Passcode", "kind": "passcode",
      "min": 1, "max": 255}], "deadline": "2026-11-21T10:00:00Z"}}
    {"error": "passcode: at least 1 characters are needed", "prompt": 1}
    {"closed": 1}                   prompt 1 needs no answer any more

Else they are in the status of --json: state waiting_for_input has a prompt.
Kinds: text, secret, passcode (never to be kept), new-pin, yes-no.`

// maxAnswerLine bounds a line, in octets. Chosen here.
const maxAnswerLine = 64 << 10

// responder answers prompts from the lines of a descriptor.
type responder struct {
	in  io.Reader
	out *json.Encoder // nil: prompts are shown elsewhere
	log io.Writer     // complaints, where there is no out

	asking sync.Mutex // one prompt at a time; guards what follows
	lines  chan []byte
	ended  error // why there are no further lines; set before lines is closed
}

// openProgram takes descriptor fd, which is its own from now on.
func openProgram(fd int) (*responder, error) {
	file := os.NewFile(uintptr(fd), fmt.Sprintf("file descriptor %d", fd))
	if file == nil {
		return nil, fmt.Errorf("--answers-fd %d: no such descriptor", fd)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("--answers-fd %d: isn't open", fd)
	}
	p := &responder{in: file, log: os.Stderr}
	if info.Mode()&fs.ModeSocket != 0 {
		p.out = json.NewEncoder(file)
	}
	return p, nil
}

// read hands on one line after another. A line that was read and not wanted yet
// waits; the next isn't read before.
func (p *responder) read() {
	defer close(p.lines)
	lines := bufio.NewScanner(p.in)
	lines.Buffer(make([]byte, 0, 4096), maxAnswerLine)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) > 0 {
			p.lines <- bytes.Clone(lines.Bytes())
			clear(lines.Bytes())
		}
	}
	p.ended = lines.Err()
}

// ask is a prompt.Func.
func (p *responder) ask(ctx context.Context, q prompt.Prompt) (prompt.Answers, error) {
	p.asking.Lock()
	defer p.asking.Unlock()
	if p.lines == nil {
		p.lines = make(chan []byte)
		go p.read()
	}
	if !q.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, q.Deadline)
		defer cancel()
	}
	p.tell(map[string]any{"prompt": q})
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				return nil, p.end()
			}
			answers, err := answersTo(q, line)
			clear(line)
			if err == nil || errors.Is(err, prompt.ErrCancelled) {
				return answers, err
			}
			p.complain(q, err)
		case <-ctx.Done():
			p.tell(map[string]any{"closed": q.ID})
			return nil, ctx.Err()
		}
	}
}

func (p *responder) end() error {
	if p.ended != nil {
		return fmt.Errorf("%w: --answers-fd: %w", prompt.ErrNotInteractive, p.ended)
	}
	return fmt.Errorf("%w: --answers-fd has no further line", prompt.ErrNotInteractive)
}

func (p *responder) complain(q prompt.Prompt, err error) {
	if p.out == nil {
		fmt.Fprintf(p.log, "postern: --answers-fd: %v\n", err)
	}
	p.tell(map[string]any{"error": err.Error(), "prompt": q.ID})
}

// tell writes one line to a socket. Whoever doesn't read it will not answer
// either, so that an error shows soon.
func (p *responder) tell(v map[string]any) {
	if p.out != nil {
		_ = p.out.Encode(v)
	}
}

// answersTo reads one line as the answers to q. The errors contain none of it.
func answersTo(q prompt.Prompt, line []byte) (prompt.Answers, error) {
	var values map[string]value
	if err := json.Unmarshal(line, &values); err != nil {
		return nil, errors.New(`a line isn't a JSON object like {"password": "…"}`)
	}
	defer func() {
		for _, v := range values {
			clear(v.text)
		}
	}()
	if n := values["prompt"]; n.number != 0 && n.number != q.ID {
		return nil, fmt.Errorf("an answer to prompt %d came too late or too early", n.number)
	}
	if values["cancel"].truth {
		return nil, prompt.ErrCancelled
	}
	answers := prompt.Answers{}
	for _, f := range q.Fields {
		v, ok := values[f.Name]
		if !ok && f.Default == "" {
			answers.Clear()
			return nil, fmt.Errorf("%s: isn't in the line", f.Name)
		}
		a := prompt.Answer(bytes.Clone(v.text))
		answers[f.Name] = a
		if err := f.Check(a); err != nil {
			answers.Clear()
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return answers, nil
}

// value is what may stand in a line: text, a number or a truth.
type value struct {
	text   []byte
	number uint64
	truth  bool
}

// UnmarshalJSON takes all three. What is none of them is empty text.
func (v *value) UnmarshalJSON(b []byte) error {
	var t octets
	switch {
	case len(b) > 0 && b[0] == '"':
		err := json.Unmarshal(b, &t)
		v.text = t
		return err
	case string(b) == "true":
		v.truth = true
	default:
		_ = json.Unmarshal(b, &v.number)
	}
	return nil
}

// octets takes a JSON string as octets, which can be overwritten.
type octets []byte

func (t *octets) UnmarshalText(b []byte) error {
	*t = bytes.Clone(b)
	return nil
}
