package iketest

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postern/ike"
)

var (
	onPort500  = ike.Path{Local: netip.MustParseAddrPort("192.0.2.10:500"), Remote: netip.MustParseAddrPort("192.0.2.1:500")}
	onPort4500 = ike.Path{Local: onPort500.Local, Remote: netip.MustParseAddrPort("192.0.2.1:4500"), Marker: true}
)

func smallFlow() *Flow {
	return &Flow{
		About: "A little\nof everything",
		Setup: map[string]string{"seed": "1", "secret": "the group's = key"},
		Messages: []FlowMessage{
			{Sent: true, Path: onPort500, Notation: "HDR, SA", Octets: []byte(strings.Repeat("question", 9))},
			{At: 20 * time.Millisecond, Path: onPort500, Octets: []byte("answer")},
			{Sent: true, At: 21 * time.Millisecond, Path: onPort4500, Notation: "HDR*, HASH_I", Octets: []byte("thanks")},
		},
		Outcome: []string{"mode: main mode", "error: none"},
	}
}

func TestFlowFile(t *testing.T) {
	want := smallFlow()
	path := filepath.Join(t.TempDir(), "flow.txt")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := want.WriteTo(file); err != nil {
		t.Fatal(err)
	}
	file.Close()
	got, err := ReadFlow(path)
	if err != nil {
		t.Fatal(err)
	}
	about := cmpopts.IgnoreFields(Flow{}, "About") // for people
	same := cmp.Comparer(func(a, b ike.Path) bool { return a == b })
	if diff := cmp.Diff(want, got, about, same); diff != "" {
		t.Errorf("read differs from written (-want +got):\n%s", diff)
	}
}

func TestFlowFileIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"no section":          "seed = 1\n",
		"no setting":          "[setup]\nseed\n",
		"octets of nothing":   "[messages]\n   0102\n",
		"no hexadecimal":      "[messages]\n-> 0.000 192.0.2.10:500 192.0.2.1:500\n   01zz\n",
		"no time":             "[messages]\n-> now 192.0.2.10:500 192.0.2.1:500\n",
		"no address":          "[messages]\n-> 0.000 192.0.2.10 192.0.2.1:500\n",
		"an arrow to nowhere": "[messages]\n<> 0.000 192.0.2.10:500 192.0.2.1:500\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "flow.txt")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if f, err := ReadFlow(path); err == nil {
				t.Errorf("read %+v", f)
			}
		})
	}
}

// A recorder gives each notation to its message, whichever is told first.
func TestRecorder(t *testing.T) {
	r := NewRecorder()
	r.Annotate(true, 3, "first")
	r.Note(true, []byte("abc"), onPort500)
	r.Note(false, []byte("abc"), onPort500)
	r.Note(true, []byte("abc"), onPort500)
	r.Annotate(false, 3, "answer")
	var got []string
	for _, m := range r.Messages() {
		got = append(got, m.Notation)
	}
	if diff := cmp.Diff([]string{"first", "answer", ""}, got); diff != "" {
		t.Errorf("notations (-want +got):\n%s", diff)
	}
}

// The player finds every way in which our end may depart from what it did.
func TestPlayerFindsDifferences(t *testing.T) {
	type message struct {
		path   ike.Path
		octets string
	}
	f := smallFlow()
	first, last := message{onPort500, string(f.Messages[0].Octets)}, message{onPort4500, "thanks"}
	for name, test := range map[string]struct {
		send []message
		want string // in the error; empty: none
	}{
		"as it was":            {[]message{first, last}, ""},
		"another octet":        {[]message{first, {onPort4500, "thinks"}}, "differ from octet 2 on"},
		"fewer octets":         {[]message{first, {onPort4500, "thank"}}, "5 octets sent, want 6"},
		"another port":         {[]message{first, {onPort500, "thanks"}}, "sent on"},
		"one message too few":  {[]message{first}, "message 3 (HDR*, HASH_I): not sent"},
		"one message too many": {[]message{first, last, last}, "another was sent"},
		"nothing":              {nil, "message 1 (HDR, SA): not sent"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := NewPlayer(f)
				for _, m := range test.send {
					_ = p.send([]byte(m.octets), m.path)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				err := p.Play(ctx)
				switch {
				case test.want == "" && err != nil:
					t.Error(err)
				case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
					t.Errorf("error %v, want %q", err, test.want)
				}
			})
		})
	}
}
