//go:build !pkcs11 || !cgo

package token

import (
	"errors"
	"testing"
)

func TestUnsupported(t *testing.T) {
	u, err := ParseURI("pkcs11:token=a")
	if err != nil {
		t.Fatal(err)
	}
	if o, err := Open(u, "1234"); o != nil || !errors.Is(err, ErrUnsupported) {
		t.Error(o, err)
	}
}
