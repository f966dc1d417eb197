//go:build linux

package main_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"postern/client/localapi"
)

func TestPassword(t *testing.T) {
	scene(t, 2, func(d *desk) {
		d.daemon()
		d.gui()
		d.shows("demo: Not connected")
		d.picture("start", true)
		d.choose("demo-password")
		d.keys("ctrl+Return")
		d.asks("demo-password")
		d.picture("password", true)
		d.types("postern")
		d.keys("Return")
		d.shows("demo-password: Connected")
		d.picture("banner", false)
		d.keys("Escape")
		d.load("demo-password")
		d.picture("connected", true)
		d.keys("ctrl+2")
		d.picture("log", false)
		d.keys("ctrl+3")
		d.picture("diagnosis", false)
		d.keys("ctrl+4")
		d.picture("settings", false)
		d.keys("ctrl+1", "ctrl+Return")
		d.shows("demo-password: Not connected")
	})
}

// load fetches the page behind the gateway, more and less often for some seconds, so
// that the graph has something to show.
func (d *desk) load(name string) {
	d.Helper()
	proxy := &url.URL{Scheme: "socks5", Host: d.tunnel(name).Tunnel.Proxy}
	c := http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy), DisableKeepAlives: true}}
	for began, n := time.Now(), 0; n < 20 || *update && time.Since(began) < 12*time.Second; n++ {
		answer, err := c.Get("http://10.20.0.1/")
		if err != nil {
			d.Fatal(err)
		}
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if err != nil {
			d.Fatal(err)
		}
		time.Sleep(time.Duration(n%40) * 3 * time.Millisecond)
	}
}

func TestWrongPassword(t *testing.T) {
	scene(t, 2, func(d *desk) {
		d.daemon()
		d.gui()
		d.choose("demo-password")
		d.keys("ctrl+Return")
		for range 10 { // however often the gateway asks again
			d.asks("demo-password")
			asked := d.tunnel("demo-password").Prompt.ID
			d.types("wrong")
			d.keys("Return")
			d.until("answer to the answer", func() bool {
				tunnel := d.tunnel("demo-password")
				return tunnel.State == localapi.Failed || tunnel.Prompt != nil && tunnel.Prompt.ID != asked
			})
			if d.tunnel("demo-password").State == localapi.Failed {
				break
			}
			d.picture("asked-again", false)
		}
		d.shows("demo-password: Connection failed")
		d.picture("refused", true)
		if r := d.tunnel("demo-password").Reason; r == nil || r.Code != "login_refused" {
			d.Errorf("the reason is %+v", r)
		}
	})
}

func TestCancel(t *testing.T) {
	scene(t, 2, func(d *desk) {
		silent, err := (&net.ListenConfig{}).ListenPacket(context.Background(), "udp4", "127.0.0.1:0")
		if err != nil {
			d.Fatal(err)
		}
		d.Cleanup(func() { silent.Close() })
		d.profile("silent", `gateway = "`+silent.LocalAddr().String()+`"
mode = "main"
secret = "nobody listens"
ike = ["aes256-sha256-modp2048"]
`)
		d.daemon()
		d.gui()
		d.choose("silent")
		d.keys("ctrl+Return")
		d.shows("silent: Negotiating keys")
		d.picture("connecting", true)
		d.keys("ctrl+Return")
		d.shows("silent: Not connected")

		d.choose("demo-password")
		d.keys("ctrl+Return")
		d.asks("demo-password")
		d.keys("Escape")
		d.until("end of the attempt", func() bool {
			tunnel := d.tunnel("demo-password")
			return tunnel == nil || tunnel.State == localapi.Down || tunnel.State == localapi.Failed
		})
		d.shows("demo-password: Not connected") // who declined knows
		d.picture("declined", false)
	})
}
