//go:build pkcs11 && cgo

package client_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"postern/client"
	"postern/client/prompt"
	"postern/client/token/tokentest"
)

// A private key that never leaves its token signs, and decrypts, in phase 1.
func TestToken(t *testing.T) {
	o := newOffice(t)
	uri := tokentest.Soft(t, o.user)
	files := fmt.Sprintf("certificate = 'user.pem'\nkey = %q\nca = 'root.pem'\nxauth = false\n", uri)
	stored := files + "key_passphrase = '" + tokentest.PIN + "'\n"
	known := "gateway_certificate = 'gateway.pem'\n"
	typed := func(pin string) (prompt.Func, *int) {
		n := new(int)
		return func(_ context.Context, p prompt.Prompt) (prompt.Answers, error) {
			*n++
			return prompt.Answers{p.Fields[0].Name: prompt.Answer(pin)}, nil
		}, n
	}
	for _, c := range []struct{ name, group, user, lines string }{
		{"signs", "Method = certificate\nXAuth = off", "", "auth = 'rsa'\n" + stored},
		{"signs in aggressive mode", "Method = certificate\nXAuth = off", "", "mode = 'aggressive'\nauth = 'rsa'\n" + stored},
		{"decrypts", "Method = rsa-encryption\nXAuth = off", "Certificate = user.pem", "auth = 'rsa-encryption'\n" + known + stored},
		{"decrypts a nonce", "Method = rsa-encryption\nXAuth = off", "Certificate = user.pem", "auth = 'rsa-revised'\n" + known + stored},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := *o
			o.t = t
			g := o.concentrator(general, c.group, c.user)
			conn := connect(t, o.profile(g.Addr(), c.lines), nil)
			conn.await(client.Up)
			conn.page()
			if err := conn.end(); err != nil {
				t.Error(err)
			}
		})
	}
	g := o.concentrator(general, "Method = certificate\nXAuth = off", "")
	t.Run("a typed PIN is asked for once", func(t *testing.T) {
		ask, n := typed(tokentest.PIN)
		conn := connect(t, o.profile(g.Addr(), "auth = 'rsa'\n"+files), ask)
		conn.await(client.Up)
		conn.Reconnect()
		conn.await(client.Reconnecting)
		conn.await(client.Up)
		if err := conn.end(); err != nil || *n != 1 {
			t.Errorf("%v, asked %d times", err, *n)
		}
	})
	t.Run("a wrong PIN isn't tried again and again", func(t *testing.T) {
		ask, n := typed("4321")
		conn := connect(t, o.profile(g.Addr(), "auth = 'rsa'\n"+files), ask)
		var r *client.Reason
		if err := <-conn.ended; !errors.As(err, &r) || r.Code != "token_pin" || *n != 2 {
			t.Errorf("%v, asked %d times", err, *n)
		}
	})
	t.Run("a stored wrong PIN is tried once", func(t *testing.T) {
		ask, n := typed(tokentest.PIN)
		conn := connect(t, o.profile(g.Addr(), "auth = 'rsa'\n"+files+"key_passphrase = '4321'\n"), ask)
		var r *client.Reason
		if err := <-conn.ended; !errors.As(err, &r) || r.Code != "token_pin" || *n != 0 {
			t.Errorf("%v, asked %d times", err, *n)
		}
	})
}
