package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/term"

	"postern/client/prompt"
)

// terminalPrompt returns a Func that asks on the process's terminal, whatever
// its standard input and output are, one prompt at a time. It returns
// prompt.ErrNotInteractive where there is no terminal, prompt.ErrCancelled after
// Ctrl-C, Ctrl-D or a signal, else the context's error or
// context.DeadlineExceeded. The terminal is as it was before in each case.
func terminalPrompt() prompt.Func {
	var one sync.Mutex
	return func(ctx context.Context, p prompt.Prompt) (prompt.Answers, error) {
		one.Lock()
		defer one.Unlock()
		tty, err := openTerminal()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", prompt.ErrNotInteractive, err)
		}
		defer tty.Close()
		return askOn(ctx, tty, p)
	}
}

// askOn asks on one terminal, which it has raw (no echo, no signals from keys)
// for as long as it asks.
func askOn(ctx context.Context, tty *os.File, p prompt.Prompt) (prompt.Answers, error) {
	limit := ctx
	if !p.Deadline.IsZero() {
		var cancel context.CancelFunc
		limit, cancel = context.WithDeadline(ctx, p.Deadline)
		defer cancel()
	}
	// A signal must not end the process before the terminal is restored.
	limit, stop := signal.NotifyContext(limit, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()

	restore, err := makeRaw(tty)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", prompt.ErrNotInteractive, err)
	}
	defer restore()
	defer context.AfterFunc(limit, func() { _ = tty.SetReadDeadline(time.Unix(1, 0)) })()

	width, height := terminalSize(tty)
	answers, err := ask(tty, p, width, height)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return answers, err
	}
	fmt.Fprint(tty, "\r\n")
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(limit.Err(), context.DeadlineExceeded):
		return nil, context.DeadlineExceeded
	}
	return nil, prompt.ErrCancelled // by a signal
}

// makeRaw puts a terminal into raw mode and returns how to undo it. It leaves
// the file in the mode that its deadlines need, which tty.Fd() wouldn't.
func makeRaw(tty *os.File) (restore func(), err error) {
	conn, err := tty.SyscallConn()
	if err != nil {
		return nil, err
	}
	var before *term.State
	refused := conn.Control(func(fd uintptr) { before, err = term.MakeRaw(int(fd)) })
	if err = errors.Join(refused, err); err != nil {
		return nil, err
	}
	return func() {
		_ = conn.Control(func(fd uintptr) { _ = term.Restore(int(fd), before) })
	}, nil
}

// terminalSize is how many characters a terminal has in a line, and how many lines.
func terminalSize(tty *os.File) (width, height int) {
	width, height = 80, 24
	if conn, err := tty.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) {
			if w, h, err := term.GetSize(int(fd)); err == nil && w > 0 && h > 0 {
				width, height = w, h
			}
		})
	}
	return width, height
}

// ask asks on a terminal that is raw already.
func ask(rw io.ReadWriter, p prompt.Prompt, width, height int) (prompt.Answers, error) {
	screen := term.NewTerminal(rw, "")
	_ = screen.SetSize(width, height)
	for _, s := range []string{prompt.Clean(p.Title, 200), prompt.CleanText(p.Message, 4096)} {
		if s != "" {
			fmt.Fprintln(screen, s)
		}
	}
	if len(p.Fields) == 0 {
		_, err := readLine(screen, prompt.Field{}, "Press Enter to go on. ")
		return prompt.Answers{}, err
	}
	defer clock(screen, p.Deadline)()
	answers := prompt.Answers{}
	for _, f := range p.Fields {
		a, err := askField(screen, f)
		if err != nil {
			answers.Clear()
			return nil, err
		}
		answers[f.Name] = a
	}
	return answers, nil
}

// lastMinute is when a person is told how much time is left. Chosen here.
const lastMinute = time.Minute

// clock tells the person when a prompt's last minute begins, on a line above the
// one they type on. stop ends it.
func clock(screen io.Writer, deadline time.Time) (stop func()) {
	left := time.Until(deadline).Round(time.Second)
	if deadline.IsZero() || left < time.Second {
		return func() {}
	}
	tell := func(left time.Duration) { fmt.Fprintf(screen, "The gateway waits %v more.\n", left) }
	if left <= lastMinute {
		tell(left)
		return func() {}
	}
	t := time.AfterFunc(left-lastMinute, func() { tell(lastMinute) })
	return func() { t.Stop() }
}

// askField asks one field until the answer fits. The error is of the terminal,
// or prompt.ErrCancelled.
func askField(screen *term.Terminal, f prompt.Field) (prompt.Answer, error) {
	label := prompt.Clean(f.Label, 200)
	if f.Kind == prompt.YesNo {
		label += " [yes/no]"
	}
	if f.Default != "" {
		label += " (" + prompt.Clean(f.Default, 100) + ")"
	}
	for {
		a, err := readLine(screen, f, label+": ")
		if err != nil {
			return nil, err
		}
		if f.Kind == prompt.YesNo {
			a = yesNo(a)
		}
		fault := f.Check(a)
		if fault == nil && f.Kind == prompt.NewPIN {
			again, err := readLine(screen, f, label+" (again): ")
			if err != nil {
				clear(a)
				return nil, err
			}
			if string(a) != string(again) {
				fault = errors.New("the two differ")
			}
			clear(again)
		}
		if fault == nil {
			return a, nil
		}
		clear(a)
		fmt.Fprintln(screen, fault)
	}
}

// readLine reads a line, echoed or not.
func readLine(screen *term.Terminal, f prompt.Field, label string) (prompt.Answer, error) {
	var line string
	var err error
	if f.Kind.Hidden() {
		line, err = screen.ReadPassword(label)
	} else {
		screen.SetPrompt(label)
		line, err = screen.ReadLine()
		screen.SetPrompt("")
		line = strings.TrimSpace(line)
	}
	if errors.Is(err, io.EOF) { // Ctrl-C, Ctrl-D, or the terminal is gone
		fmt.Fprintln(screen)
		err = prompt.ErrCancelled
	}
	return prompt.Answer(line), err
}

// yesNo takes "y" and "n" in either case for what they stand for.
func yesNo(a prompt.Answer) prompt.Answer {
	switch strings.ToLower(string(a)) {
	case "y", "yes":
		return prompt.Answer("yes")
	case "n", "no":
		return prompt.Answer("no")
	}
	return a
}
