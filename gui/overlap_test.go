package gui

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"

	"postern/client/localapi"
	"postern/client/profile"
)

// TestOverlap: a network that is here and behind the gateway is told in a sentence, and
// the choice is kept in the profile.
func TestOverlap(t *testing.T) {
	folder := home(t)
	s := open(t, false)
	p, err := profile.Parse([]byte("name = \"office\"\ngateway = \"192.0.2.1\"\n"), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := profile.Save(p, folder, profile.Saving{}); err != nil {
		t.Fatal(err)
	}
	lan, far := netip.MustParsePrefix("192.168.1.0/24"), netip.MustParsePrefix("192.168.0.0/16")
	up := func(chosen bool) localapi.Snapshot {
		return localapi.Snapshot{Control: true, Tunnels: []localapi.Tunnel{{ID: s.ui.person.id + ":office", Status: localapi.Status{
			Profile: "office", State: localapi.Up, Warnings: []string{lan.String() + " is a network of this machine's, and more.", "Something else."},
			Tunnel: &localapi.TunnelStatus{Interface: "tun0", Overlaps: []localapi.Overlap{{Local: lan, Tunnel: far, Chosen: chosen}}},
		}}}}
	}
	load := func() *profile.Profile {
		p, err := profile.Load(filepath.Join(folder, "office.toml"))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	s.do(func() {
		s.ui.reload()
		s.ui.show(up(false))
		o := s.ui.connection.overlap
		if !o.box.Visible() || !o.choices.Visible() || !strings.Contains(o.text.Text, "192.168.1.0/24 is the network here") {
			t.Fatalf("shown %v: %q", o.box.Visible(), o.text.Text)
		}
		if w := s.ui.connection.warnings.Text; strings.Contains(w, "192.168.1.0/24") || !strings.Contains(w, "Something else.") {
			t.Errorf("the warnings are %q", w)
		}
		test.Tap(&o.here.Button)
	})
	if p := load(); !p.LocalLAN || len(p.Networks) > 0 {
		t.Errorf("after “here”: local_lan %v, networks %v", p.LocalLAN, p.Networks)
	}
	s.do(func() {
		s.ui.show(up(false))
		test.Tap(&s.ui.connection.overlap.there.Button)
	})
	if p := load(); p.LocalLAN || len(p.Networks) != 1 || p.Networks[0] != lan {
		t.Errorf("after “there”: local_lan %v, networks %v", p.LocalLAN, p.Networks)
	}
	s.do(func() {
		s.ui.show(up(true))
		if s.ui.connection.overlap.box.Visible() {
			t.Error("what is chosen is asked again")
		}
	})
}

// TestPage: a page behind the gateway is fetched through the tunnel's proxy, and for
// requests that name our server only.
func TestPage(t *testing.T) {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old" {
			http.Redirect(w, r, "http://"+r.Host+"/new", http.StatusFound)
			return
		}
		fmt.Fprint(w, r.Host, r.URL.Path)
	}))
	defer site.Close()
	proxy, hosts := socks(t, site.Listener.Addr().String())
	at, err := servePage(t.Context(), proxy, &url.URL{Scheme: "http", Host: "intranet.example", Path: "/old"})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(at.String())
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || string(body) != "intranet.example/new" {
		t.Errorf("%q, %v", body, err)
	}
	if got := <-hosts; got != "intranet.example" {
		t.Errorf("the proxy was asked for %q", got)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	if answer, err = http.DefaultClient.Do(r); err != nil || answer.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("by another name: %v, %v", answer, err)
	} else {
		answer.Body.Close()
	}
}

// socks is a SOCKS5 proxy (RFC 1928) that connects whoever asks to one address, and tells
// the names that it was asked for.
func socks(t *testing.T, to string) (address string, hosts chan string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	hosts = make(chan string, 10)
	serve := func(c net.Conn) {
		defer c.Close()
		b := make([]byte, 300)
		if _, err := io.ReadFull(c, b[:3]); err != nil { // one method: none
			return
		}
		_, _ = c.Write([]byte{5, 0})
		if _, err := io.ReadFull(c, b[:5]); err != nil || b[3] != 3 {
			return
		}
		n := int(b[4])
		if _, err := io.ReadFull(c, b[:n+2]); err != nil {
			return
		}
		hosts <- string(b[:n])
		far, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer far.Close()
		_, _ = c.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
		go func() { _, _ = io.Copy(far, c) }()
		_, _ = io.Copy(c, far)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String(), hosts
}

// TestTextSize: a larger text makes the window's parts larger.
func TestTextSize(t *testing.T) {
	home(t)
	s := open(t, false)
	s.do(func() {
		before := s.ui.connection.state.MinSize().Height
		s.ui.app.Preferences().SetInt(prefSize, 175)
		s.ui.applyTheme()
		s.ui.Content().Refresh()
		if after := s.ui.connection.state.MinSize().Height; after <= before {
			t.Errorf("a line is %v high, and with larger text %v", before, after)
		}
		if s.window.Canvas().Size().Width < fyne.NewSize(860, 0).Width {
			t.Error("the window shrank")
		}
	})
}
