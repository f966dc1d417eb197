package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/client"
	"postern/client/localapi"
	"postern/client/profile/formats"
	"postern/client/prompt"
)

func TestTable(t *testing.T) {
	rows := table{}
	rows.header("NAME", "EMPTY", "N")
	rows.row("Büro", "", 7)
	rows.row(cell{"a", red}, "", 100)
	if d := cmp.Diff("NAME  N\nBüro  7\na     100\n", rows.String()); d != "" {
		t.Error(d)
	}
	rows.colours = true
	if text := rows.String(); !strings.Contains(text, "\x1b[31ma\x1b[0m     100\n") {
		t.Errorf("%q", text)
	}
}

func TestTextForPeople(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1 << 20: "1.0 MiB", 1<<20 - 1: "1.0 MiB", 5 << 40: "5.0 TiB", 1<<64 - 1: "16.0 EiB"} {
		if got := octetsText(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{-time.Hour: "0s", 0: "0s", 1500 * time.Millisecond: "2s", 61 * time.Second: "1m 1s", 90 * time.Minute: "1h 30m", 49 * time.Hour: "2d 1h"} {
		if got := span(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	for _, tt := range []struct {
		words []string
		want  string
	}{{nil, ""}, {[]string{"a"}, "a"}, {[]string{"a", "b"}, "a and b"}, {[]string{"a", "b", "c"}, "a, b and c"}} {
		if got := enumerate(tt.words); got != tt.want {
			t.Errorf("%q: %q", tt.words, got)
		}
	}
}

// What came from a gateway or a file reaches the terminal without its escapes.
func TestForeignTextIsCleaned(t *testing.T) {
	line := logText(localapi.LogLine{
		Time: time.Now(), Level: "info\x1b[1m", Tunnel: "0:x\x1b", Message: "hello\x1b]0;title\x07\nworld",
		Attrs: map[string]string{"a\x1b": "b\x1b[31m c"},
	}, true, false)
	if strings.ContainsAny(line, "\x1b\x07\n") || !strings.Contains(line, ` a="b[31m c"`) || !strings.Contains(line, "x: hello]0;title world") {
		t.Errorf("%q", line)
	}
	note := noteText(formats.Note{File: "a", Line: 3, Key: "b\x1b", Text: "c\x1b[2J"})
	if note != "a:3: b: c[2J" {
		t.Errorf("%q", note)
	}
}

// What may be kept is kept in mind, a code never.
func TestTyped(t *testing.T) {
	q := prompt.Prompt{Fields: []prompt.Field{
		{Name: "user", Kind: prompt.Text},
		{Name: "password", Kind: prompt.Secret},
		{Name: "passcode", Kind: prompt.Passcode},
		{Name: "answer", Kind: prompt.Secret},
	}}
	code := prompt.Prompt{Fields: []prompt.Field{{Name: "password", Kind: prompt.Passcode}}}
	var given prompt.Answers
	person := func(context.Context, prompt.Prompt) (prompt.Answers, error) {
		given = prompt.Answers{"user": prompt.Answer("alice"), "password": prompt.Answer("hunter2"), "passcode": prompt.Answer("123456"), "answer": prompt.Answer("x")}
		return given, nil
	}
	var k typed
	ask := k.remembering(person)
	for _, p := range []prompt.Prompt{q, code} {
		if _, err := ask(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		given.Clear() // as the asker does
	}
	if d := cmp.Diff(map[string][]byte{"password": []byte("hunter2")}, k.secrets); d != "" {
		t.Error(d)
	}
	kept := k.secrets["password"]
	k.clear()
	if !bytes.Equal(kept, make([]byte, 7)) {
		t.Error("isn't cleared")
	}
	refused := k.remembering(func(context.Context, prompt.Prompt) (prompt.Answers, error) { return nil, prompt.ErrCancelled })
	if _, err := refused(t.Context(), q); !errors.Is(err, prompt.ErrCancelled) {
		t.Error(err)
	}
}

// One connection in detail, with all there is to tell.
func TestStatusDetail(t *testing.T) {
	now := time.Now()
	v := statusView{}
	text := v.detail(localapi.Tunnel{ID: "1000:office", Owner: "alice", Status: client.Status{
		Profile: "office", State: client.Up, Since: now.Add(-time.Hour), Warnings: []string{"careful"},
		IKE:    &client.IKEStatus{Mode: "main mode", NAT: "us", Expires: now.Add(7 * time.Hour)},
		Tunnel: &client.TunnelStatus{Resolver: "systemd-resolved", Interface: "tun0", Encapsulation: "udp"},
		SAs: []client.SAStatus{{
			Inbound: "01020304", Outbound: "05060708", Suite: "aes256-sha256", Since: now.Add(-90 * time.Second), Rekey: now.Add(time.Hour),
			Local: "10.0.0.1/32", Remote: "10.0.0.0/8", In: client.TrafficCount{Packets: 3, Octets: 2048},
		}},
	}}, now)
	for _, want := range []string{
		"office is up for 1h 0m, of alice\n", "IKE SA     for 7h 0m more", "NAT        in front of us", "resolver   systemd-resolved", "note: careful",
		"01020304  05060708  aes256-sha256  1m 30s  in 1h 0m  3 pkt, 2.0 KiB  0 pkt, 0 B  10.0.0.1/32  10.0.0.0/8\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s\nlacks %q", text, want)
		}
	}
}
