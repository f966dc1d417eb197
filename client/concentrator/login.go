package concentrator

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
	"postern/xauth"
)

// In phase 1 a client proves that it knows a key: a group's, which many share,
// or its user's own. The key's name says which: "staff", or "staff/alice".

func keyName(g *Group, u *User) string {
	if u == nil {
		return g.Name
	}
	return g.Name + "/" + u.Name
}

// keyOwner is whose key a name means; user is nil for a group's.
func (c *Config) keyOwner(name string) (*Group, *User) {
	group, user, _ := strings.Cut(name, "/")
	return c.Groups[group], c.Users[user]
}

// keys are those that may be behind a peer. In Aggressive Mode its identity names
// one; in Main Mode, which hides it, groups for its address stand before those for
// anybody.
func (c *Config) keys(h ike.Hello) []ike.Group {
	var here, anywhere []ike.Group
	add := func(g *Group, u *User, secret []byte) {
		named := h.Identity == nil || u == nil && names(*h.Identity, g.Name) || u != nil && names(*h.Identity, u.Name)
		if len(secret) == 0 || !named || !g.uses(MethodSharedKey) {
			return
		}
		k := ike.Group{Name: keyName(g, u), Secret: secret}
		switch {
		case len(g.Peers) == 0:
			anywhere = append(anywhere, k)
		case g.from(h.Remote.Addr()):
			here = append(here, k)
		}
	}
	for _, g := range sorted(c.Groups) {
		add(g, nil, g.SharedKey)
	}
	for _, u := range sorted(c.Users) {
		add(c.Groups[u.Group], u, u.SharedKey)
	}
	return append(here, anywhere...)
}

// sorted is a map's values in the order of their keys.
func sorted[V any](m map[string]V) []V {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var vs []V
	for _, k := range keys {
		vs = append(vs, m[k])
	}
	return vs
}

// names says whether an identity is this name: Cisco's clients send a KEY_ID,
// others an FQDN or USER_FQDN.
func names(id isakmp.ID, name string) bool {
	switch id.Type {
	case isakmp.IDKeyID, isakmp.IDFQDN, isakmp.IDUserFQDN:
		return string(id.Data) == name
	}
	return false
}

// recognise finds out whose key phase 1 was made with. A peer that calls itself
// by the name of somebody else, with a key of its own, is refused.
func (c *Config) recognise(info ike.Info) (*Group, *User, error) {
	g, u := c.keyOwner(info.Group)
	if g == nil {
		return nil, nil, fmt.Errorf("no group %q", info.Group)
	}
	for _, other := range c.keys(ike.Hello{Identity: &info.Peer}) {
		if other.Name != info.Group && !bytes.Equal(other.Secret, c.secret(g, u)) {
			return nil, nil, fmt.Errorf("%v proved itself with the key of %s", info.Peer, info.Group)
		}
	}
	return g, u, nil
}

func (c *Config) secret(g *Group, u *User) []byte {
	if u != nil {
		return u.SharedKey
	}
	return g.SharedKey
}

// verify judges a password by the users' list, in constant time.
func (c *Config) verify(_ context.Context, user string, password []byte) error {
	want, known := []byte{}, false
	if u := c.Users[user]; u != nil && len(u.Password) > 0 {
		want, known = u.Password, true
	}
	// Not RFC: Android ends its strings with a NUL.
	password = bytes.TrimSuffix(password, []byte{0})
	a, b := sha256.Sum256(want), sha256.Sum256(password)
	if subtle.ConstantTimeCompare(a[:], b[:]) != 1 || !known {
		return errPassword
	}
	return nil
}

var errPassword = errors.New("unknown user or wrong password")

// verify judges a user with a password who wants to use the group. A further question
// is judged the same way.
func (l *login) verify(ctx context.Context, _ *ike.SA, user string, password []byte) error {
	if who := (attempt{user, l.from}); !l.g.failures.allowed(who) {
		l.g.log.Info("refused unheard after failures", "user", user, "from", l.from)
		return l.g.refuse(ctx, who, "")
	}
	return l.settle(ctx, user, l.first(ctx, user, password), l.second)
}

// settle makes of a verdict what the client is told. next asks further when the
// verdict is good.
func (l *login) settle(ctx context.Context, user string, err error, next func(user string) error) error {
	who := attempt{user, l.from}
	if err == nil {
		err = l.belongs(user)
	}
	if err == nil && next != nil {
		if err = next(user); err != nil {
			next = nil
		}
	}
	if c := (*xauth.Challenge)(nil); errors.As(err, &c) {
		return &xauth.Challenge{Message: c.Message, Attribute: c.Attribute, Verify: func(ctx context.Context, answer []byte) error {
			return l.settle(ctx, user, c.Verify(ctx, answer), next)
		}}
	}
	switch refused := (*xauth.RefusedError)(nil); {
	case err == nil:
		l.g.failures.forget(who)
		return nil
	case errors.Is(err, errNobodyJudges):
		l.g.log.Error("login not judged", "user", user, "group", l.group.Name, "from", l.from, "error", err)
		return &xauth.RefusedError{Message: errUnavailable, Cause: err}
	case errors.As(err, &refused):
		l.g.log.Info("login failed", "user", user, "group", l.group.Name, "from", l.from, "error", refused.Cause)
		return l.g.refuse(ctx, who, refused.Message)
	default:
		l.g.log.Info("login failed", "user", user, "group", l.group.Name, "from", l.from, "error", err)
		return l.g.refuse(ctx, who, "")
	}
}

// belongs says whether a user may use the group, by all that is known so far.
func (l *login) belongs(user string) error {
	u := l.g.cfg.Users[user]
	if u != nil && u.Group != l.group.Name || l.by != nil && l.by.Name != user || l.accept.Group != "" && l.accept.Group != l.group.Name {
		return fmt.Errorf("user isn't of group %s", l.group.Name)
	}
	return nil
}

// refuse takes its time, so that guessing does too.
func (g *Gateway) refuse(ctx context.Context, who attempt, message string) error {
	g.failures.note(who)
	select {
	case <-time.After(failureDelay):
		return &xauth.RefusedError{Message: message}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Limits on guessing. Chosen here.
const (
	failureDelay  = time.Second
	freeFailures  = 5 // of one user from one address, before they are refused unheard
	failureMemory = time.Minute
	maxAttempts   = 10000 // remembered
)

// attempt is who tries to log in, and from where.
type attempt struct {
	user string
	from netip.Addr
}

// failures are the recent ones. Safe for concurrent use.
type failures struct {
	mu   sync.Mutex
	last map[attempt]failure
}

type failure struct {
	count int
	at    time.Time
}

// allowed says whether a password of this attempt's is looked at.
func (f *failures) allowed(a attempt) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	l := f.last[a]
	return l.count < freeFailures || time.Since(l.at) > failureMemory
}

func (f *failures) note(a attempt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last == nil || len(f.last) >= maxAttempts {
		f.last = make(map[attempt]failure)
	}
	l := f.last[a]
	if time.Since(l.at) > failureMemory {
		l.count = 0
	}
	f.last[a] = failure{l.count + 1, time.Now()}
}

func (f *failures) forget(a attempt) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.last, a)
}
