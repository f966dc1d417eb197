package radiusserver

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"
	"sync/atomic"
)

// Token is what the server knows of a user's token. A passcode is the PIN and then
// the tokencode.
type Token struct {
	Seed []byte
	PIN  string        // empty: none yet
	Used atomic.Uint64 // codes up to here don't count any more; any goroutine may read it

	NextTokencode bool   // one more code is wanted, as after some failures
	NewPIN        NewPIN // a new PIN is wanted
	failures      int
}

// NewPIN is how a user gets a new PIN.
type NewPIN uint8

const (
	KeepPIN  NewPIN = iota
	UserPIN         // they choose it
	GivenPIN        // the server does
	AnyPIN          // they say which
)

// Chosen here.
const (
	window        = 10 // how many codes of a token's may have been looked at and not used
	maxFailures   = 3  // then the next tokencode is asked for
	leastPIN      = 4
	mostPIN       = 8
	deniedMessage = "Access denied"
)

// passcode judges the first passcode of a login.
func (t *Token) passcode(typed string) reply {
	if !t.check(t.PIN, typed) {
		t.failures++
		t.NextTokencode = t.NextTokencode || t.failures >= maxFailures
		return reject(deniedMessage)
	}
	switch {
	case t.NewPIN != KeepPIN:
		return t.newPIN()
	case t.NextTokencode:
		return ask("Wait for the tokencode to change, then enter the new tokencode:", t.nextTokencode)
	}
	t.failures = 0
	return accept()
}

// nextTokencode wants a code without a PIN, and the very next one.
func (t *Token) nextTokencode(typed string) reply {
	if typed != Code(t.Seed, t.Used.Load()) {
		return reject(deniedMessage)
	}
	t.Used.Add(1)
	t.NextTokencode, t.failures = false, 0
	return accept()
}

// newPIN begins the dialogue that the token's NewPIN says.
func (t *Token) newPIN() reply {
	switch t.NewPIN {
	case GivenPIN:
		return t.givePIN()
	case AnyPIN:
		r := ask("Do you want to choose your new PIN yourself (y/n)?", func(typed string) reply {
			if yes(typed) {
				return t.askPIN()
			}
			return t.givePIN()
		})
		r.echo = true
		return r
	}
	return t.askPIN()
}

// askPIN has the user choose.
func (t *Token) askPIN() reply {
	return ask(fmt.Sprintf("Enter a new PIN of %d to %d digits:", leastPIN, mostPIN), func(pin string) reply {
		if len(pin) < leastPIN || len(pin) > mostPIN || strings.Trim(pin, "0123456789") != "" {
			return reject("PIN rejected. Please try again.")
		}
		return ask("Please re-enter the new PIN:", func(again string) reply {
			if again != pin {
				return reject("The PINs differ. Please try again.")
			}
			return t.setPIN(pin)
		})
	})
}

// givePIN has the server choose.
func (t *Token) givePIN() reply {
	n, err := rand.Int(rand.Reader, big.NewInt(10000))
	if err != nil {
		return reject(deniedMessage)
	}
	pin := fmt.Sprintf("%04d", n)
	r := ask(fmt.Sprintf("Your new PIN is %s. Do you accept it (y/n)?", pin), func(typed string) reply {
		if !yes(typed) {
			return reject("No new PIN was set.")
		}
		return t.setPIN(pin)
	})
	r.echo = true
	return r
}

// setPIN wants a passcode with the new PIN before it lets the user in.
func (t *Token) setPIN(pin string) reply {
	t.PIN, t.NewPIN = pin, KeepPIN
	return ask("PIN accepted. Wait for the tokencode to change, then enter the new passcode:", t.passcode)
}

// check uses up a code.
func (t *Token) check(pin, typed string) bool {
	code, ok := strings.CutPrefix(typed, pin)
	if !ok {
		return false
	}
	used := t.Used.Load()
	for n := used; n < used+window; n++ {
		if code == Code(t.Seed, n) {
			t.Used.Store(n + 1)
			return true
		}
	}
	return false
}

func yes(s string) bool { return strings.HasPrefix(strings.ToLower(s), "y") }
