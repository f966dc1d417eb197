package stamp

import (
	goflag "flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/ike"
	"postern/ike/iketest"
)

var update = goflag.Bool("update", false, "write the flows into docs/vpn5000.md")

const document = "../docs/vpn5000.md"

// flows are those that the document shows, each between two marks.
var flows = []struct {
	mark  string
	mode  ike.Mode
	setup func(*lab)
}{
	{"radius-pap", ike.Main, pap("wonderland")},
	{"radius-chap", ike.Aggressive, method(CHAP, "wonderland")},
	{"radius-challenge", ike.Main, typed(asks([2]string{"Colour?", "PASSCODE-1"}), "PASSCODE-1")},
	{"securid", ike.Main, typed(code(step{Question{Ask: AskNextCode}, "TOKEN-2"}), "PASSCODE-1", "TOKEN-2")},
	{"stamp", ike.Aggressive, func(*lab) {}},
	{"refused", ike.Main, pap("guess")},
}

// TestFlows compares what is said with what the document shows.
func TestFlows(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	for _, f := range flows {
		t.Run(f.mark, func(t *testing.T) {
			got := ""
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, f.mode)
				f.setup(l)
				l.SetFault(func(d iketest.Datagram) []iketest.Delivery { // none arrives with another
					return []iketest.Delivery{{Octets: d.Octets, After: time.Duration(d.Number) * time.Millisecond}}
				})
				_ = l.connect(t.Context())
				got = diagram(l.log.String())
			})
			begin, end := "<!-- flow "+f.mark+" -->\n```\n", "```\n<!-- end -->"
			before, rest, ok := strings.Cut(doc, begin)
			shown, after, closed := strings.Cut(rest, end)
			if !ok || !closed {
				t.Fatalf("%s has no flow %s", document, f.mark)
			}
			if *update {
				doc = before + begin + got + end + after
				return
			}
			if d := cmp.Diff(shown, got); d != "" {
				t.Errorf("%s shows another flow (go test ./stamp -run Flows -update):\n%s", document, d)
			}
		})
	}
	if *update && !t.Failed() {
		if err := os.WriteFile(document, []byte(doc), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

var logged = regexp.MustCompile(`msg="(->|<-) (HDR[^"]*)" end=client`)

// diagram draws the client's log as RFC 2409 draws its exchanges, up to the
// messages that end the connection.
func diagram(log string) string {
	type line struct{ arrow, text string }
	var lines []line
	for l := range strings.Lines(log) {
		if m := logged.FindStringSubmatch(l); m != nil && !strings.Contains(m[2], "HASH, D") {
			lines = append(lines, line{m[1], m[2]})
		}
	}
	// What a private payload is follows from who says it, when.
	kinds := func(i int, p, request, response, result string) string {
		if lines[i].arrow == "->" {
			return response
		}
		for _, l := range lines[i+1:] {
			if l.arrow == "->" && strings.Contains(l.text, p) {
				return request
			}
		}
		return result
	}
	var b strings.Builder
	fmt.Fprintf(&b, "     %-38s %s\n     %-38s %s\n", "Client", "Concentrator", "------", "------------")
	vids := regexp.MustCompile(`(, VID)+`)
	for i, l := range lines {
		s := vids.ReplaceAllString(l.text, ", VID")
		s = strings.ReplaceAll(s, "payload 200", "RADIUS("+kinds(i, "payload 200", "request", "response", "result")+")")
		s = strings.ReplaceAll(s, "payload 201", "SECURID("+kinds(i, "payload 201", "request", "response", "result")+")")
		s = strings.ReplaceAll(s, "payload 202", "STAMP("+kinds(i, "payload 202", "policy", "receipt", "policy")+")")
		if l.arrow == "->" {
			fmt.Fprintf(&b, "     %-38s -->\n", s)
		} else {
			fmt.Fprintf(&b, "     %-38s <--  %s\n", "", s)
		}
	}
	return b.String()
}
