package stamp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postern/client/prompt"
	"postern/ike"
	"postern/ike/iketest"
)

// dialogues are all that a person can be led through.
var dialogues = []struct {
	name  string
	setup func(l *lab)
	err   error // of the client; nil: connected
	asked string
	once  bool // too slow, or ended by the clock: not with faults
}{
	{"no question", func(l *lab) {}, nil, "", false},
	{"PAP, stored", pap("wonderland"), nil, "", false},
	{"PAP, typed", typed(pap(""), "wonderland"), nil, "Password (secret)", false},
	{"PAP, wrong", pap("guess"), ErrRefused, "", false},
	{"PAP, cancelled", typed(pap(""), "cancel"), prompt.ErrCancelled, "Password (secret)", false},
	{"PAP, nobody types", typed(pap(""), "silence"), ErrUnanswered, "Password (secret)", true},
	{"PAP, too long", typed(pap(""), strings.Repeat("x", 129)), errAny, "Password (secret)", false},
	{"PAP, the server is silent", func(l *lab) {
		pap("wonderland")(l)
		l.server.Authenticate = func(ctx context.Context, _ Credentials) (Result, error) {
			<-ctx.Done()
			return Result{}, errors.New("no answer")
		}
	}, errAny, "", true},
	{"PAP, the server is slow", func(l *lab) {
		pap("wonderland")(l)
		fast := l.server.Authenticate
		l.server.Authenticate = func(ctx context.Context, c Credentials) (Result, error) {
			time.Sleep(50 * time.Second)
			return fast(ctx, c)
		}
	}, nil, "", false},
	{"CHAP", method(CHAP, "wonderland"), nil, "", false},
	{"CHAP, wrong", method(CHAP, "guess"), ErrRefused, "", false},
	{"CHAP without PAPAuthSecret", func(l *lab) {
		method(CHAP, "wonderland")(l)
		l.client.PAPAuthSecret = nil
	}, nil, "", false},
	{"CHAP, nobody has a PAPAuthSecret", func(l *lab) {
		method(CHAP, "wonderland")(l)
		l.client.PAPAuthSecret, l.server.Secret = nil, nil
	}, nil, "", false},
	{"Challenge", typed(asks([2]string{"Colour?", "PASSCODE-1"}), "PASSCODE-1"), nil, "Colour? Answer (passcode)", false},
	{"Challenge, twice", typed(asks([2]string{"Colour?", "PASSCODE-1"}, [2]string{"Number?", "TOKEN-2"}), "PASSCODE-1", "TOKEN-2"), nil, "Colour? Answer (passcode)|Number? Answer (passcode)", false},
	{"Challenge, wrong", typed(asks([2]string{"Colour?", "PASSCODE-1"}), "red"), ErrRefused, "Colour? Answer (passcode)", false},
	{"Challenge, no prompt", typed(asks([2]string{"", "PASSCODE-1"}), "PASSCODE-1"), nil, "Answer: Answer (passcode)", false},
	{"Challenge, control characters", typed(asks([2]string{"Say\r\n\x1b[31mit\x07", "PASSCODE-1"}), "PASSCODE-1"), nil, "Say [31mit Answer (passcode)", false},
	{"Challenge, a prompt without end", typed(asks([2]string{strings.Repeat("ä", 500), "PASSCODE-1"}), "PASSCODE-1"), nil, strings.Repeat("ä", 127) + " Answer (passcode)", false},
	{"another method than pinned", func(l *lab) {
		pap("wonderland")(l)
		l.client.Method = CHAP
		l.keys = nil
	}, errAny, "", true},
	{"passcode", typed(code(), "PASSCODE-1"), nil, "Passcode (passcode)", false},
	{"passcode, wrong", typed(code(), "other"), ErrRefused, "Passcode (passcode)", false},
	{"passcode, cancelled", typed(code(), "cancel"), prompt.ErrCancelled, "Passcode (passcode)", false},
	{"passcode, nobody types", typed(code(), "silence"), ErrUnanswered, "Passcode (passcode)", true},
	{"passcode and name", func(l *lab) {
		typed(code(), "alice", "PASSCODE-1")(l)
		l.client.User = ""
	}, nil, "User name (text), Passcode (passcode)", false},
	{"next tokencode", typed(code(step{Question{Ask: AskNextCode, Message: "Wait."}, "TOKEN-2"}), "PASSCODE-1", "TOKEN-2"), nil, "Passcode (passcode)|Wait. Next tokencode (passcode)", false},
	{"new PIN by the user", typed(code(step{Question{Ask: AskNewPIN, MinPIN: 4, MaxPIN: 8}, "4711"}), "PASSCODE-1", "4711"), nil, "Passcode (passcode)|New PIN (new-pin)", false},
	{"new PIN with letters", typed(code(step{Question{Ask: AskNewPIN, MinPIN: 4, MaxPIN: 8}, "4711"}), "PASSCODE-1", "abcd", "4711"), nil, "Passcode (passcode)|New PIN (new-pin)|The new PIN may consist of digits only.  New PIN (new-pin)", false},
	{"new PIN by the server", typed(code(step{Question{Ask: AskAcceptPIN, Message: "Your PIN: 0815."}, "yes"}), "PASSCODE-1", "yes"), nil, "Passcode (passcode)|Your PIN: 0815. Accept the new PIN (yes-no)", false},
	{"new PIN by the server, declined", typed(code(step{Question{Ask: AskAcceptPIN}, "yes"}), "PASSCODE-1", "no"), ErrRefused, "Passcode (passcode)|Accept the new PIN (yes-no)", false},
	{
		"new PIN by either", typed(code(step{Question{Ask: AskWhoChooses}, "yes"}, step{Question{Ask: AskNewPIN, Alphanumeric: true}, "4711"}, step{Question{Ask: AskNextCode}, "TOKEN-2"}), "PASSCODE-1", "yes", "4711", "TOKEN-2"),
		nil, "Passcode (passcode)|Choose the new PIN yourself (yes-no)|New PIN (new-pin)|Next tokencode (passcode)", false,
	},
	{"RADIUS and SecurID", func(l *lab) {
		pap("wonderland")(l)
		typed(code(), "PASSCODE-1")(l)
	}, nil, "Passcode (passcode)", false},
}

var errAny = errors.New("any error")

func method(m Method, password string) func(*lab) {
	return func(l *lab) {
		l.client.Method, l.server.Method = m, m
		l.server.Authenticate = radiusOf("alice", "wonderland")
		l.keys = nil
		if password != "" {
			l.client.Password = []byte(password)
		}
	}
}

func pap(password string) func(*lab) { return method(PAP, password) }

func asks(questions ...[2]string) func(*lab) {
	return func(l *lab) {
		method(Challenge, "")(l)
		l.server.Authenticate = challenges(questions...)
	}
}

func code(then ...step) func(*lab) {
	return func(l *lab) {
		l.securID = true
		l.server.Verify = dialogueOf("PASSCODE-1", then...)
	}
}

func typed(setup func(*lab), answers ...string) func(*lab) {
	return func(l *lab) {
		setup(l)
		l.answers = answers
	}
}

// faults do something to one datagram.
var faults = map[string]func(d iketest.Datagram) []iketest.Delivery{
	"lost": func(iketest.Datagram) []iketest.Delivery { return nil },
	"doubled": func(d iketest.Datagram) []iketest.Delivery {
		return []iketest.Delivery{{Octets: d.Octets}, {Octets: d.Octets, After: 5 * time.Millisecond}}
	},
	"swapped": func(d iketest.Datagram) []iketest.Delivery {
		return []iketest.Delivery{{Octets: d.Octets, After: 35 * time.Millisecond}}
	},
}

func TestDialogues(t *testing.T) {
	for _, row := range dialogues {
		t.Run(row.name, func(t *testing.T) {
			for _, mode := range []ike.Mode{ike.Main, ike.Aggressive} {
				t.Run(mode.String(), func(t *testing.T) {
					sent := 0
					run := func(t *testing.T, fault iketest.Fault) {
						synctest.Test(t, func(t *testing.T) {
							l := newLab(t, mode)
							row.setup(l)
							l.SetFault(fault)
							err := l.connect(t.Context())
							if row.err == nil && err != nil || row.err != nil && (err == nil || row.err != errAny && !errors.Is(err, row.err)) {
								t.Fatalf("the client: %v, want %v; the concentrator: %v", err, row.err, l.gateErr)
							}
							if got := strings.Join(l.asked, "|"); got != row.asked && fault == nil {
								t.Errorf("asked %q, want %q", got, row.asked)
							}
							if err == nil && (l.receipt == nil || l.applied == nil || l.receipt.Networks != 1) {
								t.Errorf("policy %v, receipt %v", l.applied, l.receipt)
							}
							l.noCanaries()
							sent = len(l.Sent())
						})
					}
					run(t, nil)
					if row.once || testing.Short() {
						return
					}
					for n := 1; n <= min(sent, 12); n++ {
						for name, f := range faults {
							for _, fromA := range []bool{true, false} {
								t.Run(fmt.Sprintf("%d %v %s", n, fromA, name), func(t *testing.T) {
									run(t, func(d iketest.Datagram) []iketest.Delivery {
										if d.FromA == fromA && d.Number == n {
											return f(d)
										}
										return []iketest.Delivery{{Octets: d.Octets}}
									})
								})
							}
						}
					}
				})
			}
		})
	}
}
