package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postern/client/prompt"
)

// openPTY returns the two ends of a pseudo terminal: what a person has, and
// what a program has.
func openPTY(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	conn, err := person.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number uint32
	var failed error
	err = conn.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			number, failed = unix.IoctlGetUint32(int(fd), unix.TIOCGPTN)
		}
	})
	if err = errors.Join(err, failed); err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo terminals here: %v", err)
	}
	t.Cleanup(func() { program.Close() })
	return person, program
}

func echoes(t *testing.T, tty *os.File) bool {
	t.Helper()
	conn, err := tty.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var state *unix.Termios
	if e := conn.Control(func(fd uintptr) { state, err = unix.IoctlGetTermios(int(fd), unix.TCGETS) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
	return state.Lflag&unix.ECHO != 0
}

// readUntil reads what the program shows until it ends with s.
func readUntil(t *testing.T, person *os.File, s string) string {
	t.Helper()
	var shown []byte
	buf := make([]byte, 1) // what comes after it is for whoever reads next
	_ = person.SetReadDeadline(time.Now().Add(time.Minute))
	for !strings.HasSuffix(string(shown), s) {
		n, err := person.Read(buf)
		if err != nil {
			t.Fatalf("after %q: %v", shown, err)
		}
		shown = append(shown, buf[:n]...)
	}
	return string(shown)
}

func TestAskOnTerminal(t *testing.T) {
	password := prompt.Prompt{Fields: []prompt.Field{{Name: "password", Label: "Password", Kind: prompt.Secret}}}
	tests := []struct {
		name   string
		wait   time.Duration // until the deadline; 0 for none
		then   func(person *os.File, cancel context.CancelFunc)
		answer string
		err    error
	}{
		{"answered", 0, func(person *os.File, _ context.CancelFunc) { _, _ = person.WriteString("hunter2\r") }, "hunter2", nil},
		{"Ctrl-C", 0, func(person *os.File, _ context.CancelFunc) { _, _ = person.WriteString("\x03") }, "", prompt.ErrCancelled},
		{"the connection ends", 0, func(_ *os.File, cancel context.CancelFunc) { cancel() }, "", context.Canceled},
		{"the gateway's deadline passes", 50 * time.Millisecond, func(*os.File, context.CancelFunc) {}, "", context.DeadlineExceeded},
		{"a signal", 0, func(*os.File, context.CancelFunc) { _ = syscall.Kill(os.Getpid(), syscall.SIGTERM) }, "", prompt.ErrCancelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			person, program := openPTY(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p := password
			if tt.wait > 0 {
				p.Deadline = time.Now().Add(tt.wait)
			}
			type result struct {
				answers prompt.Answers
				err     error
			}
			done := make(chan result, 1)
			go func() {
				answers, err := askOn(ctx, program, p)
				done <- result{answers, err}
			}()
			readUntil(t, person, "Password: ")
			if tt.wait == 0 && echoes(t, program) {
				t.Error("the terminal echoes while a password is asked for")
			}
			tt.then(person, cancel)
			select {
			case got := <-done:
				if !errors.Is(got.err, tt.err) || string([]byte(got.answers["password"])) != tt.answer {
					t.Errorf("answer %q, error %v", []byte(got.answers["password"]), got.err)
				}
			case <-time.After(time.Minute):
				t.Fatal("still waiting for an answer")
			}
			if !echoes(t, program) {
				t.Error("the terminal wasn't restored")
			}
		})
	}
}
