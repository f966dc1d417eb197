//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"postern/client"
	"postern/client/prompt"
)

// A script reads the status and answers on a pipe.
func TestAnswersOnAPipe(t *testing.T) {
	p := postern(t, "run", profileFile(t, fmt.Sprintf(withoutSecrets, gateway(t))), "--rootless", "--socks", "127.0.0.1:0", "--json", "--answers-fd", "3")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	p.ExtraFiles = []*os.File{r}
	p.watch()
	for _, a := range []struct{ field, answer string }{{"secret", "the group's key"}, {"password", "the password"}} {
		st := p.until(client.WaitingForInput)
		if st.Prompt == nil || len(st.Prompt.Fields) != 1 || st.Prompt.Fields[0].Name != a.field {
			t.Fatalf("prompt %+v, want %s", st.Prompt, a.field)
		}
		fmt.Fprintf(w, "{%q: %q, \"prompt\": %d}\n", a.field, a.answer, st.Prompt.ID)
	}
	endWhenUp(p)
}

// A script writes its answers ahead.
func TestAnswersWrittenAhead(t *testing.T) {
	p := postern(t, "run", profileFile(t, fmt.Sprintf(withoutSecrets, gateway(t))), "--rootless", "--socks", "127.0.0.1:0", "--json", "--answers-fd", "0")
	p.Stdin = strings.NewReader("{\"secret\": \"the group's key\"}\n{\"user\": \"alice\", \"password\": \"the password\"}\n")
	p.watch()
	endWhenUp(p)
}

// A program answers on a socket what it is asked there.
func TestAnswersOnASocket(t *testing.T) {
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(ends[0]), "ours")
	ours, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	defer ours.Close()
	theirs := os.NewFile(uintptr(ends[1]), "theirs")
	p := postern(t, "run", profileFile(t, fmt.Sprintf(withoutSecrets, gateway(t))), "--rootless", "--socks", "127.0.0.1:0", "--json", "--answers-fd", "3")
	p.ExtraFiles = []*os.File{theirs}
	p.watch()
	theirs.Close()
	lines := bufio.NewScanner(ours)
	next := func() (m struct {
		Prompt json.RawMessage
		Error  string
	},
	) {
		if !lines.Scan() {
			t.Fatal("no line:", lines.Err())
		}
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		return m
	}
	answers := map[string]string{"secret": "the group's key", "password": "the password"}
	for range answers {
		var q prompt.Prompt
		if err := json.Unmarshal(next().Prompt, &q); err != nil || len(q.Fields) != 1 || q.ID == 0 {
			t.Fatalf("%+v, %v", q, err)
		}
		fmt.Fprintln(ours, `{"nothing": "of use"}`)
		if m := next(); m.Error == "" || string(m.Prompt) != fmt.Sprint(q.ID) {
			t.Errorf("%+v", m)
		}
		line, _ := json.Marshal(map[string]any{q.Fields[0].Name: answers[q.Fields[0].Name], "prompt": q.ID})
		fmt.Fprintf(ours, "%s\n", line)
	}
	endWhenUp(p)
}

func TestAnswersRunOut(t *testing.T) {
	path := profileFile(t, fmt.Sprintf(withoutSecrets+"secret = \"the group's key\"\n", gateway(t)))
	p := postern(t, "run", path, "--rootless", "--socks", "127.0.0.1:0", "--answers-fd", "0")
	if exit := p.finish(); exit != client.ExitInput { // standard input is /dev/null
		t.Errorf("exit code %d", exit)
	}
	for _, args := range [][]string{{"--answers-fd", "97"}, {"--answers-fd", "0", "--no-prompt"}} {
		p := postern(t, append([]string{"run", path, "--rootless"}, args...)...)
		if exit := p.finish(); exit != client.ExitProfile {
			t.Errorf("%v: exit code %d", args, exit)
		}
	}
}
