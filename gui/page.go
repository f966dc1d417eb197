package gui

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"postern/client/localapi"
)

// prefPage is the page behind the gateway that was opened last, a URL.
const prefPage = "page"

// askPage asks which page behind the gateway to open: a tunnel without a device is for
// programs that are told of its proxy, and a browser isn't.
func (u *UI) askPage() {
	e := u.entry()
	if e == nil || e.tunnel == nil || e.tunnel.Tunnel == nil || e.tunnel.Tunnel.Proxy == "" {
		return
	}
	t := e.tunnel.Tunnel
	proxy, at := t.Proxy, newTextEntry(nil)
	at.SetText(u.app.Preferences().String(prefPage))
	if len(t.DNS) > 0 && (at.Text == "" || u.snapshot.Mode == localapi.ModeDemo) {
		at.SetText("http://" + t.DNS[0].String() + "/") // the demonstration's gateways serve a page there
	}
	take := func() {
		if err := u.openPage(proxy, at.Text); err != nil {
			u.complain(err)
			return
		}
		u.app.Preferences().SetString(prefPage, at.Text)
	}
	box := container.NewVBox(wrapped(lang.L("Your browser shows it through the tunnel. The page's address, as people inside write it:")), at)
	d := u.decide(lang.L("A page behind the gateway"), lang.L("Open"), fyne.NewSize(460, 0), box, func(yes bool) {
		if yes {
			take()
		}
	})
	at.escape = d.Hide
	at.OnSubmitted = func(string) { d.Hide(); take() }
	u.window.Canvas().Focus(at)
}

// openPage opens a page in the browser, through a server of ours on loopback.
func (u *UI) openPage(proxy, address string) error {
	if address = strings.TrimSpace(address); !strings.Contains(address, "://") {
		address = "http://" + address
	}
	page, err := url.Parse(address)
	if err != nil || page.Host == "" || page.Scheme != "http" && page.Scheme != "https" {
		return errors.New(lang.L("That is no page's address: it begins with http:// or https://."))
	}
	local, err := servePage(u.ctx, proxy, page)
	if err != nil {
		return err
	}
	return u.app.OpenURL(local)
}

// servePage serves a site behind a SOCKS proxy on loopback until ctx ends, and returns
// where the page is. Requests that name another host are refused, so that no web page
// gets there by a name of its own.
func servePage(ctx context.Context, proxy string, page *url.URL) (*url.URL, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	host := l.Addr().String()
	site := &url.URL{Scheme: page.Scheme, Host: page.Host}
	through := &httputil.ReverseProxy{
		Transport: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "socks5", Host: proxy})},
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(site) },
		ModifyResponse: func(r *http.Response) error {
			if to, ok := strings.CutPrefix(r.Header.Get("Location"), site.String()); ok {
				r.Header.Set("Location", "http://"+host+to)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, page.Host+" can't be reached through the tunnel: "+err.Error(), http.StatusBadGateway)
		},
	}
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != host {
			http.Error(w, "not here", http.StatusMisdirectedRequest)
			return
		}
		through.ServeHTTP(w, r)
	})}
	context.AfterFunc(ctx, func() { s.Close() })
	go func() { _ = s.Serve(l) }()
	local := *page
	local.Scheme, local.Host = "http", host
	return &local, nil
}
