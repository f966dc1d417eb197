//go:build !pkcs11 || !cgo

package client_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"postern/client"
)

func TestTokenWithoutPKCS11(t *testing.T) {
	o := newOffice(t)
	nobody := netip.MustParseAddrPort("127.0.0.1:9")
	conn := connect(t, o.profile(nobody, "auth = 'rsa'\nkey = 'pkcs11:token=a'\nca = 'root.pem'\n"), nil)
	var r *client.Reason
	if err := <-conn.ended; !errors.As(err, &r) || r.Exit != client.ExitProfile || !strings.Contains(r.Message, "built without PKCS #11") {
		t.Error(err)
	}
}
