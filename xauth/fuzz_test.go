package xauth_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"postern/client/prompt"
	"postern/ike/isakmp"
	"postern/xauth"
)

// maxAllocated is how many octets the answer to one message may allocate.
const maxAllocated = 64 << 10

func FuzzAssigned(f *testing.F) {
	f.Add(isakmp.AppendAttributes(nil, whole.Attributes(nil)))
	f.Add(isakmp.AppendAttributes(nil, other().Attributes(nil)))
	f.Fuzz(func(t *testing.T, octets []byte) {
		as, err := isakmp.ParseAttributes(octets)
		if err != nil || len(octets) > 0xffff {
			return
		}
		var a *xauth.Assigned
		var dropped []error
		if n := allocated(func() { a, dropped = xauth.ParseAssigned(isakmp.Configuration{Attributes: as}) }); n > maxAllocated {
			t.Errorf("%d octets allocated for %d", n, len(octets))
		}
		checkAssigned(t, a)
		for _, err := range dropped {
			if s := err.Error(); !utf8.ValidString(s) || strings.ContainsAny(s, "\x00\x1b\n") || len(s) > 500 {
				t.Errorf("%q", s)
			}
		}
		// What a gateway would write of it reads the same, and again.
		first, dropped := xauth.ParseAssigned(isakmp.Configuration{Attributes: a.Attributes(nil)})
		if dropped != nil {
			t.Error(dropped)
		}
		again, _ := xauth.ParseAssigned(isakmp.Configuration{Attributes: first.Attributes(nil)})
		if d := cmp.Diff(first, again, compareAddrs); d != "" {
			t.Error(d)
		}
		if !slices.Equal(first.DNS, again.DNS) || len(first.Networks) != len(a.Networks) || first.Address != a.Address {
			t.Errorf("%+v, then %+v", a, first)
		}
	})
}

// checkAssigned holds what reaches a resolver, a route or a person to its form.
func checkAssigned(t *testing.T, a *xauth.Assigned) {
	for _, name := range append(slices.Clone(a.SplitDNS), a.Domain) {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || len(name) > 253 || strings.HasPrefix(name, "-") {
			t.Errorf("name %q", name)
		}
	}
	for _, name := range a.BackupServers {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.:") != "" || len(name) > 253 || strings.HasPrefix(name, "-") {
			t.Errorf("server %q", name)
		}
	}
	for _, p := range append(slices.Clone(a.Networks), a.Exclude...) {
		if p != p.Masked() || !p.IsValid() {
			t.Errorf("network %v", p)
		}
	}
	for _, h := range append(slices.Clone(a.DNS), a.NBNS...) {
		if h.IsUnspecified() || h.IsLoopback() || h.IsMulticast() {
			t.Errorf("server %v", h)
		}
	}
	if a.Banner != prompt.CleanText(a.Banner, 4096) || a.Version != prompt.Clean(a.Version, 255) {
		t.Errorf("%q, %q", a.Banner, a.Version)
	}
}

// FuzzClientRequest sends a client two messages of a gateway's. Whatever they
// are, the stored password answers the first question for one, and nothing else.
func FuzzClientRequest(f *testing.F) {
	for _, c := range []isakmp.Configuration{
		request(userAndPassword()...), request(append(userAndPassword(), kind(0), message("Hello"))...), request(kind(isakmp.XAuthOTP)),
		request(wants(isakmp.AttrXAuthPasscode), wants(isakmp.AttrXAuthNextPIN), wants(isakmp.AttrXAuthAnswer), wants(isakmp.AttrXAuthDomain)),
		set(status(isakmp.XAuthOK)), set(status(isakmp.XAuthFail), message("no")), set(whole.Attributes(nil)...),
	} {
		f.Add(c.Marshal(), request(userAndPassword()...).Marshal())
	}
	f.Add(
		request(kind(isakmp.XAuthOTP), challenge("otp-md5 98 dog2"), wants(isakmp.AttrXAuthPasscode)).Marshal(),
		request(kind(isakmp.XAuthSKey), challenge("97 ke1234"), wants(isakmp.AttrXAuthUserPassword)).Marshal(),
	)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var shown []string
		c := xauth.NewClient(xauth.ClientConfig{User: "alice", Password: []byte(canary), Ask: func(_ context.Context, p prompt.Prompt) (prompt.Answers, error) {
			shown = append(shown, p.Message)
			answers := prompt.Answers{}
			for _, f := range p.Fields {
				answers[f.Name] = prompt.Answer("typed")
			}
			return answers, nil
		}})
		defer c.Close()
		sent := 0
		for _, body := range [][]byte{first, second} {
			in, err := isakmp.ParseConfiguration(body)
			if err != nil || len(body) > 0xffff-4 {
				continue
			}
			var reply *isakmp.Configuration
			if n := allocated(func() { reply = c.Handle(t.Context(), nil, in) }); n > maxAllocated {
				t.Errorf("%d octets allocated for %d", n, len(body))
			}
			sent += checkReply(t, in, reply)
		}
		if sent > 1 {
			t.Error("the stored password was sent twice")
		}
		for _, m := range shown {
			if m != prompt.CleanText(m, 2000) {
				t.Errorf("message %q", m)
			}
		}
	})
}

// FuzzCodes sends a client with a pass phrase two messages of a Check Point's.
// The phrase never leaves, and the password never where a code is wanted.
func FuzzCodes(f *testing.F) {
	otpRequest := request(kind(isakmp.XAuthOTP), challenge("otp-md5 98 dog2"), wants(isakmp.AttrXAuthPasscode))
	skey := request(kind(isakmp.XAuthSKey), challenge("97 ke1234"), wants(isakmp.AttrXAuthUserPassword))
	old := request(isakmp.TV(13, 2), isakmp.TLV(18, []byte("otp-sha1 1 a")), wants(14), wants(15), wants(16))
	dog2.Response([]byte(phrase)) // reads the dictionary, once
	f.Add(otpRequest.Marshal(), skey.Marshal())
	f.Add(old.Marshal(), set(isakmp.TV(20, 1)).Marshal())
	f.Add(request(message("otp-md4 5 x"), wants(isakmp.AttrXAuthUserPassword)).Marshal(), request(userAndPassword()...).Marshal())
	f.Fuzz(func(t *testing.T, first, second []byte) {
		codes := xauth.NewOTP([]byte(phrase))
		defer codes.Close()
		c := xauth.NewClient(xauth.ClientConfig{User: "alice", Password: []byte(good), Codes: codes, Vendor: "checkpoint"})
		defer c.Close()
		for _, body := range [][]byte{first, second} {
			in, err := isakmp.ParseConfiguration(body)
			if err != nil || len(body) > 0xffff-4 {
				continue
			}
			var reply *isakmp.Configuration
			if n := allocated(func() { reply = c.Handle(t.Context(), nil, in) }); n > maxAllocated {
				t.Errorf("%d octets allocated for %d", n, len(body))
			}
			if reply == nil {
				continue
			}
			for _, a := range reply.Attributes {
				password := a.Type == isakmp.AttrXAuthUserPassword || a.Type == isakmp.AttrCheckPointXAuthPassword
				if bytes.Contains(a.Value, []byte(phrase)) || bytes.Contains(a.Value, []byte(good)) && (!password || wantsCode(in)) {
					t.Errorf("a secret under %d", a.Type)
				}
			}
		}
	})
}

// wantsCode says whether a REQUEST is of type OTP or S/KEY and asks for nothing
// but a password, which then is a code.
func wantsCode(in isakmp.Configuration) bool {
	typed := slices.ContainsFunc(in.Attributes, func(a isakmp.Attribute) bool {
		n, err := a.Uint()
		return a.Type == isakmp.AttrXAuthType && err == nil && (n == isakmp.XAuthOTP || n == isakmp.XAuthSKey)
	})
	several := slices.ContainsFunc(in.Attributes, func(a isakmp.Attribute) bool {
		return a.Type == isakmp.AttrXAuthPasscode || a.Type == isakmp.AttrXAuthType && !bytes.Equal(a.Value, in.Attributes[0].Value)
	})
	return typed && !several
}

// allocated returns the octets that f allocates: the least of several runs where
// it is too much, for the runtime allocates beside.
func allocated(f func()) uint64 {
	least := ^uint64(0)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		if least = min(least, after.TotalAlloc-before.TotalAlloc); least <= maxAllocated {
			break
		}
	}
	return least
}

// checkReply returns how often the stored password is in the reply.
func checkReply(t *testing.T, in isakmp.Configuration, reply *isakmp.Configuration) (sent int) {
	want := map[isakmp.CfgType]isakmp.CfgType{isakmp.CfgRequest: isakmp.CfgReply, isakmp.CfgSet: isakmp.CfgAck}[in.Type]
	if reply == nil {
		if want != 0 {
			t.Errorf("no answer to %v", in)
		}
		return 0
	}
	if reply.Type != want || reply.Identifier != in.Identifier || len(reply.Attributes) > len(in.Attributes)+1 {
		t.Errorf("%v answers %v", reply, in)
	}
	for _, a := range reply.Attributes {
		if !bytes.Contains(a.Value, []byte(canary)) {
			continue
		}
		sent++
		asked := slices.ContainsFunc(in.Attributes, func(q isakmp.Attribute) bool { return q.Type == a.Type })
		if a.Type != isakmp.AttrXAuthUserPassword || !asked || in.Type != isakmp.CfgRequest {
			t.Errorf("the password under %d", a.Type)
		}
	}
	if _, err := isakmp.ParseConfiguration(reply.Marshal()); err != nil {
		t.Error(err)
	}
	if s := fmt.Sprint(*reply); sent > 0 && strings.Contains(s, canary) {
		t.Error(s)
	}
	return sent
}

// TestAllocation gives the costliest messages that fit a payload.
func TestAllocation(t *testing.T) {
	networks := make([]byte, 0, 0xffff)
	for i := 0; len(networks) < 65000; i++ {
		networks = append(networks, 10, byte(i>>8), byte(i), 0, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0)
	}
	var distinct, messages []isakmp.Attribute
	for i := range isakmp.MaxAttributes {
		distinct = append(distinct, isakmp.TV(uint16(i), 1))
		messages = append(messages, message("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80"))
	}
	tests := []struct {
		name string
		in   isakmp.Configuration
	}{
		{"networks", set(isakmp.TLV(28676, networks))},
		{"names", set(isakmp.TLV(28675, bytes.Repeat([]byte("a,"), 30000)))},
		{"short names", set(isakmp.TLV(28675, bytes.Repeat([]byte("a,"), 8000)))},
		{"bad names", set(isakmp.TLV(28675, bytes.Repeat([]byte("-,"), 8000)))},
		{"banner", set(isakmp.TLV(28672, bytes.Repeat([]byte{0x80}, 65000)))},
		{"domain", set(isakmp.TLV(28674, bytes.Repeat([]byte{0x80}, 65000)))},
		{"distinct", set(distinct...)},
		{"message", request(message(strings.Repeat("\x80", 65000)))},
		{"messages", request(messages...)},
	}
	for _, tt := range tests {
		c := xauth.NewClient(xauth.ClientConfig{})
		if n := allocated(func() { c.Handle(t.Context(), nil, tt.in) }); n > maxAllocated {
			t.Errorf("%s: %d octets allocated", tt.name, n)
		}
	}
}
