package gui

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"postern/client/localapi"
)

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0:00", 7 * time.Second: "0:07", 12*time.Minute + 40*time.Second: "12:40",
		3*time.Hour + 5*time.Minute + 9*time.Second: "3:05:09", 50 * time.Hour: "2 d 2:00:00",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) is %q, want %q", d, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 9949: "9.9 kB", 12345: "12 kB", 999_700: "1.0 MB", 1 << 62: "4.6 EB"} {
		if got := octets(n); got != want {
			t.Errorf("octets(%d) is %q, want %q", n, got, want)
		}
	}
	for n, want := range map[float64]string{0: "0 bit/s", 124: "992 bit/s", 125: "1.0 kbit/s", 125_000_000: "1.0 Gbit/s"} {
		if got := rate(n); got != want {
			t.Errorf("rate(%v) is %q, want %q", n, got, want)
		}
	}
	if got := cipher("aes256-sha256-modp2048"); got != "AES with 256 bits, SHA-256, MODP2048" {
		t.Error(got)
	}
	if got := networks([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("0.0.0.0/0")}); got != "everything" {
		t.Error(got)
	}
	for _, s := range []localapi.State{localapi.Resolving, localapi.Connecting, localapi.Authenticating, localapi.WaitingForInput, localapi.Configuring, localapi.Up, localapi.Rekeying, localapi.Reconnecting, localapi.Failed} {
		if stateWords(s) == stateWords(localapi.Down) {
			t.Errorf("%s has no words of its own", s)
		}
	}
}

func TestEntries(t *testing.T) {
	own := []ownProfile{{name: "office", gateway: "a"}, {name: "zoo"}}
	system := []localapi.ProfileInfo{{Name: "plant"}, {Name: "office"}}
	tunnels := []localapi.Tunnel{
		{ID: "1000:office", Status: localapi.Status{Profile: "office", State: localapi.Up}},
		{ID: "plant", Status: localapi.Status{Profile: "plant", State: localapi.Failed}},
		{ID: "1001:lab", Owner: "bob", Status: localapi.Status{Profile: "lab", State: localapi.Up}},
		{ID: "1000:gone", Owner: "alice", Status: localapi.Status{Profile: "gone", State: localapi.Connecting}},
	}
	all := entries(own, system, nil, localapi.Snapshot{Tunnels: tunnels}, "1000")
	var got []string
	for _, e := range all {
		got = append(got, e.key+" "+string(e.state())+" "+e.owner)
	}
	want := []string{"1000:gone connecting ", "1001:lab up bob", "1000:office up ", "office down ", "plant failed ", "1000:zoo down "}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if e := all[1]; e.own || !e.busy() {
		t.Errorf("another person's: %+v", e)
	}
}

func TestTimeline(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(1000+s), 0) }
	var l timeline
	for i, s := range []localapi.State{localapi.Down, localapi.Resolving, localapi.Connecting, localapi.Authenticating, localapi.WaitingForInput, localapi.Authenticating, localapi.Configuring, localapi.Up} {
		l.note(localapi.Status{State: s, Since: at(i)})
	}
	for i, want := range []time.Duration{1, 1, 3, 1} {
		if d, ok := l.took(i, at(99)); !ok || d != want*time.Second {
			t.Errorf("step %d took %v", i, d)
		}
	}
	if l.fail {
		t.Error("failed")
	}
	// A new attempt, the first steps of which pass between two snapshots, and which fails.
	for i, s := range []localapi.State{localapi.Down, localapi.Authenticating, localapi.Failed} {
		l.note(localapi.Status{State: s, Since: at(20 + i)})
	}
	if _, ok := l.took(0, at(99)); ok || !l.on || !l.fail || l.last != 2 {
		t.Errorf("%+v", l)
	}
	l.note(localapi.Status{State: localapi.Resolving, Since: at(30)})
	if l.fail || l.last != 0 {
		t.Errorf("%+v", l)
	}
}

func TestNotifications(t *testing.T) {
	a := test.NewTempApp(t)
	u := &UI{app: a}
	tell := func(before, now localapi.State) func() {
		return func() {
			u.notify(before, &localapi.Tunnel{Status: localapi.Status{Profile: "office", State: now, Reason: &localapi.Reason{Message: "No answer."}}})
		}
	}
	test.AssertNotificationSent(t, fyne.NewNotification("office", "The connection dropped. Reconnecting…"), tell(localapi.Up, localapi.Reconnecting))
	test.AssertNotificationSent(t, fyne.NewNotification("office", "Connected"), tell(localapi.Reconnecting, localapi.Up))
	test.AssertNotificationSent(t, fyne.NewNotification("office", "No answer."), tell(localapi.Connecting, localapi.Failed))
	test.AssertNotificationSent(t, fyne.NewNotification("office", "The gateway asks you something."), tell(localapi.Authenticating, localapi.WaitingForInput))
	test.AssertNotificationSent(t, nil, tell(localapi.Rekeying, localapi.Up))
	test.AssertNotificationSent(t, nil, tell(localapi.Up, localapi.Up))
	test.AssertNotificationSent(t, nil, tell("", localapi.Up)) // it was so before the window came
	a.Preferences().SetBool(prefTellLost, false)
	test.AssertNotificationSent(t, nil, tell(localapi.Up, localapi.Reconnecting))
}

// The graph paints again only when there is something to see.
func TestGraph(t *testing.T) {
	newApp(t)
	g := newGraph()
	w := test.NewTempWindow(t, g)
	w.Resize(fyne.NewSize(300, 100))
	r := test.WidgetRenderer(g).(*graphRenderer)
	g.add(0, 0)
	if r.top.Text != "" {
		t.Errorf("scale %q of nothing", r.top.Text)
	}
	g.add(1000, 500)
	if r.top.Text != "8.0 kbit/s" || r.in[graphSeconds-1].Hidden || r.out[graphSeconds-1].Hidden || !r.in[0].Hidden {
		t.Errorf("scale %q", r.top.Text)
	}
	up, down := r.in[graphSeconds-1], r.out[graphSeconds-1]
	if up.Position2.Y >= up.Position1.Y || down.Position2.Y <= down.Position1.Y || up.Position1.Y-up.Position2.Y <= down.Position2.Y-down.Position1.Y {
		t.Errorf("received %v to %v, sent %v to %v", up.Position1, up.Position2, down.Position1, down.Position2)
	}
	g.clear()
	if r.top.Text != "" {
		t.Error("not cleared")
	}
}

func TestQuote(t *testing.T) {
	f := profileField{key: "ike", kind: asList}
	if got := f.written(` a, "b\c" ,,d `); got != `["a", "\"b\\c\"", "d"]` {
		t.Error(got)
	}
	if got := f.shown(`["a", "\"b\\c\""]`); got != `a, "b\c"` {
		t.Error(got)
	}
	if got := (profileField{key: "name"}).written("a\x01b"); got != `"a\u0001b"` {
		t.Error(got)
	}
}
