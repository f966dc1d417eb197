package service

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/client"
	"postern/client/localapi"
)

func TestFrames(t *testing.T) {
	var wire bytes.Buffer
	f := frames{w: &wire}
	said := []command{
		{
			Start:   &order{Document: &localapi.Document{Name: "office", TOML: "gateway = \"192.0.2.1\""}, NoPrompt: true, Rootless: &client.Rootless{Proxy: "127.0.0.1:1080"}},
			secrets: map[string]localapi.Octets{"ssecret": []byte(groupKey), "fkey": {0, 1, 2, 0xff, '\n'}, "opassword": {}},
		},
		{Answer: &answer{Prompt: 7 << 40}, secrets: map[string]localapi.Octets{"password": []byte(password)}},
		{Reconnect: true},
		{Poll: 9},
		{Stop: true},
	}
	for _, c := range said {
		if err := f.command(c); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range said {
		got, err := readCommand(&wire)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.secrets) != len(want.secrets) {
			t.Errorf("%d: %d secrets", i, len(got.secrets))
		}
		for name, s := range want.secrets {
			if !bytes.Equal(got.secrets[name], s) {
				t.Errorf("%d: %s differs", i, name)
			}
		}
		if d := cmp.Diff(want.Start, got.Start) + cmp.Diff(want.Answer, got.Answer); d != "" {
			t.Errorf("%d: %s", i, d)
		}
		if got.Reconnect != want.Reconnect || got.Poll != want.Poll || got.Stop != want.Stop {
			t.Errorf("%d: %+v", i, got)
		}
	}
	if _, err := readCommand(&wire); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestBadFrames(t *testing.T) {
	for name, octets := range map[string]string{
		"cut in the length":    "\x00\x00",
		"cut in the head":      "\x00\x00\x00\x09{}",
		"too long":             "\xff\xff\xff\xff",
		"not JSON":             "\x00\x00\x00\x02{]",
		"negative secret":      "\x00\x00\x00\x25" + `{"blobs":[{"name":"a","length":-100}]}`[:0x25],
		"secret without end":   frameOf(`{"blobs":[{"name":"a","length":5}]}`) + "abc",
		"secret beyond bounds": frameOf(`{"blobs":[{"name":"a","length":99999999}]}`),
	} {
		if _, err := readCommand(bytes.NewReader([]byte(octets))); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := (&frames{w: io.Discard}).report(report{Log: &localapi.LogLine{Message: string(make([]byte, maxHead))}}); err == nil {
		t.Error("a frame beyond bounds is written")
	}
}

func frameOf(head string) string {
	return string([]byte{0, 0, byte(len(head) >> 8), byte(len(head))}) + head
}

func FuzzReadCommand(f *testing.F) {
	f.Add([]byte(frameOf(`{"start":{"document":{"name":"a","toml":"x"}},"blobs":[{"name":"ssecret","length":3}]}`) + "abc"))
	f.Add([]byte(frameOf(`{"answer":{"prompt":1},"blobs":[{"name":"x","length":0}]}`)))
	f.Fuzz(func(t *testing.T, octets []byte) {
		c, err := readCommand(bytes.NewReader(octets))
		if err != nil {
			return
		}
		var wire bytes.Buffer
		if err := (&frames{w: &wire}).command(c); err != nil {
			t.Fatal(err)
		}
		again, err := readCommand(&wire)
		if err != nil || len(again.secrets) != len(c.secrets) {
			t.Fatal(err, len(again.secrets))
		}
	})
}

// FuzzWork: whatever a worker is told, it answers in frames, if at all.
func FuzzWork(f *testing.F) {
	f.Add([]byte(frameOf(`{"start":{"document":{"name":"a","toml":"gateway = 7"}}}`)))
	f.Add([]byte(frameOf(`{"start":{"document":{"name":"a","toml":""},"blobs":[{"name":"","length":0}]}}`)))
	f.Add([]byte(frameOf(`{"start":{"path":"/nonexistent/a.toml"},"blobs":[{"name":"","length":0}]}`)))
	f.Fuzz(func(t *testing.T, octets []byte) {
		c, err := readCommand(bytes.NewReader(octets))
		if err != nil || c.Start == nil {
			return
		}
		p, err := c.Start.profile(c.secrets)
		if (p == nil) == (err == nil) {
			t.Fatal(p, err)
		}
	})
}
