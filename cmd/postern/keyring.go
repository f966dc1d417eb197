package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"postern/client"
	"postern/client/profile"
	"postern/client/prompt"
	"postern/client/secret"
)

// keyringOf looks into the person's keyring for secrets of a profile. A keyring that
// can't be used is none; what else goes wrong is said once, and nothing is found.
func keyringOf(name string) func(key string) ([]byte, error) {
	off := false
	return func(key string) ([]byte, error) {
		if off {
			return nil, nil
		}
		s, err := secret.Get(name, key)
		switch {
		case err == nil:
			return s, nil
		case errors.Is(err, secret.ErrNotFound):
		case errors.Is(err, secret.ErrNone):
			off = true
		default:
			off = true
			fmt.Fprintln(os.Stderr, "postern:", err)
		}
		return nil, nil
	}
}

// typed is what a person typed that may be kept: never a code, which is good once.
type typed struct {
	mu      sync.Mutex
	secrets map[string][]byte // by the key of a profile
}

// keepable are the fields of prompts that are secrets of a profile, with their keys.
var keepable = map[string]string{"password": "password", "secret": "secret", "key_passphrase": "key_passphrase", "pass-phrase": "otp_secret"}

// remembering is ask, whose answers are remembered.
func (t *typed) remembering(ask prompt.Func) prompt.Func {
	return func(ctx context.Context, p prompt.Prompt) (prompt.Answers, error) {
		answers, err := ask(ctx, p)
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, f := range p.Fields {
			key := keepable[f.Name]
			if a := answers[f.Name]; key != "" && f.Kind == prompt.Secret && len(a) > 0 {
				if t.secrets == nil {
					t.secrets = map[string][]byte{}
				}
				clear(t.secrets[key])
				t.secrets[key] = slices.Clone(a)
			}
		}
		return answers, err
	}
}

func (t *typed) clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.secrets {
		clear(s)
	}
}

// offer offers to keep what was typed, if the gateway let the person in with it and
// lets it be kept, and there is a keyring.
func (t *typed) offer(ctx context.Context, out io.Writer, p *profile.Profile, st client.Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.SecretEncoding != profile.EncodingText {
		delete(t.secrets, "secret")
	}
	if len(t.secrets) == 0 || !mayKeep(st) || secret.Available() != nil {
		return
	}
	keys := slices.Sorted(maps.Keys(t.secrets))
	answers, err := terminalPrompt()(ctx, prompt.Prompt{Fields: []prompt.Field{{
		Name: "keep", Label: "Keep " + phrase(keys) + " in your keyring", Kind: prompt.YesNo, Default: "no",
	}}})
	if err != nil || string(answers["keep"]) != "yes" {
		return
	}
	for _, key := range keys {
		if err := secret.Set(p.Name, key, t.secrets[key]); err != nil {
			fmt.Fprintln(out, "postern:", err)
			return
		}
	}
	fmt.Fprintf(out, "Kept. To forget it: postern secret forget %s\n", p.Name)
}

// mayKeep says whether the gateway lets a person's secrets be kept.
func mayKeep(st client.Status) bool { return st.Tunnel != nil && st.Tunnel.SavePassword }

// called is the name in a profile's file, by which its connection and its secrets are
// known, for the name that a person types, which is the file's.
func called(typed string) string {
	path, err := profile.Find(typed)
	if err != nil || profile.CheckName(typed) != nil {
		return typed
	}
	p, err := profile.Load(path)
	if err != nil {
		return typed
	}
	defer p.Clear()
	return p.Name
}

// forgetAll obeys a gateway that doesn't let secrets of a profile be kept.
func forgetAll(name string) error {
	_, err := secret.Forget(name)
	if errors.Is(err, secret.ErrNone) {
		return nil
	}
	return err
}

// phrase names secrets for a person.
func phrase(keys []string) string {
	names := map[string]string{
		"secret": "the pre-shared key", "password": "the password", "otp_secret": "the secret of the one-time codes",
		"key_passphrase": "the private key's passphrase", "pap_auth_secret": "the RADIUS step's secret",
	}
	var out []string
	for _, k := range keys {
		out = append(out, names[k])
	}
	return enumerate(out)
}

// enumerate writes a list as "a, b and c".
func enumerate(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
