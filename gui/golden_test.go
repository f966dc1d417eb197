package gui

import (
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"

	"postern/client/localapi"
	"postern/client/prompt"
)

// TestMarkup compares parts of the window with testdata/*.xml. A file that differs is
// written as testdata/failed/*.xml, to be looked at and taken over.
func TestMarkup(t *testing.T) {
	if !strings.HasPrefix(os.Getenv("LANG"), "en") && os.Getenv("LANG") != "" && os.Getenv("LANG") != "C" {
		t.Skip("the files are in English, and LANG isn't")
	}
	test.NewTempApp(t).Settings().SetTheme(theme.DefaultTheme())
	since := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	now := since.Add(90 * time.Second)
	markup := func(name string, size fyne.Size, content fyne.CanvasObject) {
		t.Helper()
		w := test.NewTempWindow(t, content)
		w.Resize(size)
		test.AssertRendersToMarkup(t, name+".xml", w.Canvas())
	}
	status := localapi.Status{
		Profile: "office", State: localapi.Up, Since: since,
		Gateway: &localapi.GatewayStatus{Name: "vpn.example", Address: netip.MustParseAddrPort("192.0.2.1:4500")},
		Tunnel: &localapi.TunnelStatus{
			Since: since, Address: netip.MustParseAddr("10.20.0.10"), Encapsulation: "udp",
			Networks: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/24")}, DNS: []netip.Addr{netip.MustParseAddr("10.20.0.1")}, Domains: []string{"corp.example"},
		},
		SAs:     []localapi.SAStatus{{Suite: "aes256-sha256", Since: since, Rekey: since.Add(time.Hour)}},
		Traffic: &localapi.TrafficStatus{In: localapi.TrafficCount{Octets: 12345}, Out: localapi.TrafficCount{Octets: 678}},
	}
	f := newFacts()
	f.show(status, now, 1250, 0)
	markup("facts", fyne.NewSize(520, 300), f.box)

	p, l := newPhases(), &timeline{}
	for i, s := range []localapi.State{localapi.Resolving, localapi.Connecting, localapi.Authenticating} {
		l.note(localapi.Status{State: s, Since: since.Add(time.Duration(i) * time.Second)})
	}
	p.show(l, since.Add(4*time.Second))
	markup("phases", fyne.NewSize(520, 200), p.box)

	markup("table", fyne.NewSize(620, 160), newTable(proposalTable(&localapi.ProbeReport{
		MainMode:       localapi.ProbeMode{Answer: "accepts", Accepted: []localapi.ProbeProposal{{Proposal: "aes256-sha256-modp2048", Lifetime: 8 * time.Hour}, {Proposal: "3des-sha1-modp1024", Weak: []string{"3DES is outdated."}}}},
		AggressiveMode: &localapi.ProbeMode{Answer: "silent"},
	})))

	line := newLine()
	(&entry{name: "office", tunnel: &localapi.Tunnel{Status: status}, managed: true}).fill(line)
	markup("line", fyne.NewSize(280, 60), line)

	w := test.NewTempWindow(t, container.NewVBox())
	w.Resize(fyne.NewSize(640, 420))
	q := newQuestion("office", prompt.Prompt{
		Title: "office: log in", Message: "Enter a new PIN of 4 to 8 digits.",
		Fields: []prompt.Field{{Name: "pin", Label: "New PIN", Kind: prompt.NewPIN}},
	}, false, "", w, func(map[string]localapi.Octets, bool) {})
	q.show(w)
	test.AssertRendersToMarkup(t, "question.xml", w.Canvas())
}
