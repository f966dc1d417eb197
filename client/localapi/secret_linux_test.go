package localapi

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// canary makes a secret that no other test uses, of another one, octet for octet.
func canary() []byte {
	const disguised = "tbohvjof\\efspvt\\dpvsbhf\\nbojgftu\\{{"
	c := []byte(disguised)
	for i := range c {
		c[i]--
	}
	return c
}

// secretChild sends a secret: several in small requests, one in a large one.
func secretChild(socket string) string {
	for _, size := range []int{0, 40 << 10} {
		if _, err := New(socket).Connect(waiting(), ConnectRequest{
			Document: &Document{Name: "x", TOML: strings.Repeat("#", size), Secrets: map[string]Octets{"secret": canary()}},
			Secrets:  map[string]Octets{"password": canary()},
		}); err != nil {
			return err.Error()
		}
	}
	return answerOf(New(socket).Answer(waiting(), AnswerRequest{Tunnel: "x", Prompt: 1, Answers: map[string]Octets{"password": canary()}}))
}

// TestNoSecretIsLeft searches this process's memory, while the server runs, for a secret
// that another process sent: as it is, and as it travels.
func TestNoSecretIsLeft(t *testing.T) {
	b := &forgetful{desk: newDesk(example())}
	socket := serve(t, b, Options{})
	if out := child(t, "secret", socket, nil); out != "served" {
		t.Fatal(out)
	}
	if n := b.reached.Load(); n != 5 {
		t.Fatalf("the secret came %d times", n)
	}
	plain := canary()
	travelling := base64.StdEncoding.AppendEncode(nil, plain)
	disguise(plain)
	disguise(travelling)
	for name, what := range map[string][]byte{"the secret": plain, "its base64": travelling} {
		for _, part := range [][]byte{what[:len(what)/2], what[len(what)/2:]} {
			if n := inMemory(t, part); n > 0 {
				t.Errorf("a half of %s is in memory %d times", name, n)
			}
		}
	}
	planted := canary() // and what is there is found
	if n := inMemory(t, plain); n == 0 {
		t.Error("a planted secret isn't found")
	}
	runtime.KeepAlive(planted)
}

// forgetful is a Backend that looks at secrets and keeps none.
type forgetful struct {
	*desk
	reached atomic.Int32
}

func (f *forgetful) see(o Octets) {
	want := canary()
	if bytes.Equal(o, want) {
		f.reached.Add(1)
	}
	clear(want)
}

func (f *forgetful) Connect(_ context.Context, _ Caller, r ConnectRequest) (ConnectReply, error) {
	f.see(r.Document.Secrets["secret"])
	f.see(r.Secrets["password"])
	return ConnectReply{}, nil
}

func (f *forgetful) Answer(_ context.Context, _ Caller, r AnswerRequest) error {
	f.see(r.Answers["password"])
	return nil
}

// disguise makes octets into what canary makes its secret of.
func disguise(b []byte) {
	for i := range b {
		b[i]++
	}
}

// inMemory counts where this process's memory has what is disguised.
func inMemory(t *testing.T, disguised []byte) (n int) {
	t.Helper()
	// What the search reads to is shared memory, and isn't searched.
	window, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(window)
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || mode != "rw-p" {
			continue
		}
		for ; from < to; from += uint64(len(window) - len(disguised)) {
			got, _ := mem.ReadAt(window[:min(uint64(len(window)), to-from)], int64(from))
			n += count(window[:got], disguised)
		}
	}
	return n
}

// count counts what is disguised among octets that aren't. It is quick under the race
// detector too.
func count(b, disguised []byte) (n int) {
	for {
		i := bytes.IndexByte(b, disguised[0]-1)
		if i < 0 || len(b)-i < len(disguised) {
			return n
		}
		same := 1
		for same < len(disguised) && b[i+same]+1 == disguised[same] {
			same++
		}
		if same == len(disguised) {
			n++
		}
		b = b[i+1:]
	}
}
