package secret

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// inMemory uses a keyring in memory for one test.
func inMemory(t *testing.T) {
	before := check
	MockInit()
	t.Cleanup(func() { check = before })
}

func TestKeyring(t *testing.T) {
	inMemory(t)
	try(t)
}

// try does everything with the keyring there is.
func try(t *testing.T) {
	t.Helper()
	if err := Available(); err != nil {
		t.Fatal(err)
	}
	if _, err := Get("office", "password"); !errors.Is(err, ErrNotFound) {
		t.Errorf("an empty keyring: %v", err)
	}
	for _, s := range [][3]string{{"office", "password", "old"}, {"office", "password", "hunter2 ü"}, {"office", "secret", "\xff\x01"}, {"home/office", "secret", "another"}} {
		if err := Set(s[0], s[1], []byte(s[2])); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range [][3]string{{"office", "password", "hunter2 ü"}, {"office", "secret", "\xff\x01"}} {
		if got, err := Get(s[0], s[1]); err != nil || string(got) != s[2] {
			t.Errorf("%s: %q, %v", s[1], got, err)
		}
	}
	if kinds, err := List("office"); err != nil || !cmp.Equal(kinds, []string{"secret", "password"}) {
		t.Errorf("%q, %v", kinds, err)
	}
	if err := Delete("office", "password"); err != nil {
		t.Error(err)
	}
	if err := Delete("office", "password"); !errors.Is(err, ErrNotFound) {
		t.Errorf("forgotten twice: %v", err)
	}
	if kinds, err := Forget("office"); err != nil || !cmp.Equal(kinds, []string{"secret"}) {
		t.Errorf("%q, %v", kinds, err)
	}
	if got, err := Get("home/office", "secret"); err != nil || string(got) != "another" {
		t.Errorf("another profile's: %q, %v", got, err)
	}
	if err := Set("office", "passcode", []byte("123456")); err == nil {
		t.Error("keeps a passcode")
	}
}

func TestNoKeyring(t *testing.T) {
	before := check
	t.Cleanup(func() { check = before })
	check = func() (time.Duration, error) { return 0, ErrNone }
	for name, err := range map[string]error{
		"Available": Available(), "Set": Set("office", "secret", nil), "Delete": Delete("office", "secret"),
		"Get": second(Get("office", "secret")), "List": second(List("office")), "Forget": second(Forget("office")),
	} {
		if !errors.Is(err, ErrNone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// A keyring that hangs holds nobody up.
func TestLimit(t *testing.T) {
	before := check
	t.Cleanup(func() { check = before })
	check = func() (time.Duration, error) { return time.Millisecond, nil }
	hang := make(chan struct{})
	defer close(hang)
	if err := ask("secret", func() error { <-hang; return nil }); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}
