//go:build linux

package main_test

import (
	"regexp"
	"strings"
	"testing"

	"postern/client/localapi"
	"postern/client/prompt"
)

// TestSecurID logs in as a person does whose token is new: a passcode, a PIN that is
// their own choice, and the token's next code.
func TestSecurID(t *testing.T) {
	scene(t, 1, func(d *desk) {
		d.daemon()
		d.gui()
		d.choose("demo-securid")
		d.keys("ctrl+Return")
		pin, asked := "1234", map[string]bool{}
		for last := uint64(0); ; {
			p := d.prompt("demo-securid", last)
			if p == nil {
				break
			}
			last = p.ID
			what := kind(p)
			d.picture("securid-"+what, false)
			asked[what] = true
			switch what {
			case "choose":
				d.keys("Tab") // from No, which the gateway takes for no answer
				d.keys("Return")
			case "new-pin":
				pin = "246810"
				d.types(pin)
				if p.Fields[0].Kind == prompt.NewPIN {
					d.types("\t" + pin)
				}
				d.keys("Return")
			case "next-code":
				d.types(d.codes("demo-securid")[0])
				d.keys("Return")
			default:
				d.types(pin + d.codes("demo-securid")[0])
				d.keys("Return")
			}
		}
		d.shows("demo-securid: Connected")
		for _, what := range []string{"passcode", "choose", "new-pin", "next-code"} {
			if !asked[what] {
				t.Errorf("it never asked for the %s: %v", what, asked)
			}
		}
	})
}

// kind is what a prompt of the demonstration asks for.
func kind(p *prompt.Prompt) string {
	says := strings.ToLower(p.Message)
	switch {
	case p.Fields[0].Kind == prompt.YesNo:
		return "choose"
	case p.Fields[0].Kind == prompt.NewPIN, strings.Contains(says, "re-enter"), strings.Contains(says, "new pin of"):
		return "new-pin"
	case strings.Contains(says, "new tokencode"):
		return "next-code"
	}
	return "passcode"
}

// prompt waits for the next question after the one with that ID, as the window shows
// it; nil: it is connected.
func (d *desk) prompt(name string, last uint64) (p *prompt.Prompt) {
	d.Helper()
	d.until("question or end", func() bool {
		tunnel := d.tunnel(name)
		if tunnel == nil {
			return false
		}
		if tunnel.State == localapi.Failed {
			d.Fatalf("it failed: %+v", tunnel.Reason)
		}
		p = tunnel.Prompt
		return tunnel.State == localapi.Up || p != nil && p.ID != last
	})
	if p != nil {
		d.asks(name)
	}
	return p
}

// codes are those that the demonstration says the token of a profile shows next.
func (d *desk) codes(name string) []string {
	d.Helper()
	all := regexp.MustCompile(`(?m)^  `+regexp.QuoteMeta(name)+`: the token shows[^:]*: (.*)$`).FindAllStringSubmatch(d.said.String(), -1)
	if len(all) == 0 {
		d.Fatal("the demonstration shows no codes")
	}
	return strings.Fields(all[len(all)-1][1])
}
