package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// inside is the other side of the tunnel: the names web.inside and echo.inside
// are 127.0.0.1, and nothing else exists.
func inside() Config {
	var d net.Dialer
	return Config{
		Dial: d.DialContext,
		Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			if strings.HasSuffix(host, ".inside") {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
			}
			return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
		},
	}
}

// serve runs a server to the end of the test, and checks that none of its
// goroutines outlive it.
func serve(t *testing.T, s *Server, err error) *Server {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s
}

func newProxy(t *testing.T) *Server {
	t.Helper()
	s, err := Listen("0", inside())
	return serve(t, s, err)
}

// web is a server with one page, which names the Host it was asked for.
func web(t *testing.T) (host, port string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v := r.Header.Get("X-Forwarded-For") + r.Header.Get("Via") + r.Header.Get("Proxy-Connection"); v != "" {
			t.Errorf("the proxy added %q", v)
		}
		fmt.Fprintf(w, "page of %s", r.Host)
	}))
	t.Cleanup(s.Close)
	_, port, _ = net.SplitHostPort(s.Listener.Addr().String())
	return "web.inside", port
}

// viaProxy fetches a page through a proxy given as http.Transport takes it.
func viaProxy(t *testing.T, proxy, page string) (*http.Response, string, error) {
	t.Helper()
	p, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{Proxy: http.ProxyURL(p)}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	r, err := client.Get(page)
	if err != nil {
		return nil, "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return r, string(b), err
}

func TestFetch(t *testing.T) {
	s := newProxy(t)
	host, port := web(t)
	// Nobody listens at a connection's own end, and nobody else can get its port.
	conn, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, nobody, _ := net.SplitHostPort(conn.LocalAddr().String())

	for _, test := range []struct {
		name, scheme, page string
		want               string // "" = an error or a status of 500 and more
		text               string // of it
	}{
		{"HTTP, by name", "http", "http://" + host + ":" + port, "page of web.inside:" + port, ""},
		{"HTTP, by address", "http", "http://127.0.0.1:" + port, "page of 127.0.0.1:" + port, ""},
		{"HTTP, unknown name", "http", "http://web.outside", "", "no such host"},
		{"HTTP, closed port", "http", "http://127.0.0.1:" + nobody, "", "refused"},
		{"SOCKS5, name looked up by the proxy", "socks5h", "http://" + host + ":" + port, "page of web.inside:" + port, ""},
		{"SOCKS5, by address", "socks5", "http://127.0.0.1:" + port, "page of 127.0.0.1:" + port, ""},
		{"SOCKS5, unknown name", "socks5h", "http://web.outside", "", "host unreachable"},
		{"SOCKS5, closed port", "socks5", "http://127.0.0.1:" + nobody, "", "connection refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, got, err := viaProxy(t, test.scheme+"://"+s.Addr().String(), test.page)
			if test.want != "" {
				if err != nil || got != test.want {
					t.Errorf("%q, %v, want %q", got, err, test.want)
				}
				return
			}
			if err != nil {
				got = err.Error()
			} else if r.StatusCode < 500 {
				t.Errorf("status %s", r.Status)
			}
			if !strings.Contains(got, test.text) {
				t.Errorf("%q, want %q in it", got, test.text)
			}
		})
	}
}

// TestFetchTLS leads TLS through CONNECT.
func TestFetchTLS(t *testing.T) {
	s := newProxy(t)
	site := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "secret page") }))
	defer site.Close()
	client := site.Client()
	proxy, _ := url.Parse("http://" + s.Addr().String())
	client.Transport.(*http.Transport).Proxy = func(*http.Request) (*url.URL, error) { return proxy, nil }
	r, err := client.Get(site.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if b, err := io.ReadAll(r.Body); err != nil || string(b) != "secret page" {
		t.Errorf("%q, %v", b, err)
	}
}

// talk opens a connection, writes, and returns what comes back until its end.
func talk(t *testing.T, address net.Addr, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	_ = conn.(*net.TCPConn).CloseWrite()
	b, err := io.ReadAll(conn)
	if err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatalf("after %q: %v", b, err)
	}
	return string(b)
}

func TestRefusals(t *testing.T) {
	s := newProxy(t)
	for _, test := range []struct{ name, send, want string }{
		{"a web server's request", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 400 "},
		{"https through GET", "GET https://web.inside/ HTTP/1.1\r\nHost: web.inside\r\n\r\n", "HTTP/1.1 400 "},
		{"no HTTP", "hello\r\n\r\n", "HTTP/1.1 400 "},
		{"CONNECT without a port", "CONNECT web.inside HTTP/1.1\r\nHost: web.inside\r\n\r\n", "HTTP/1.1 502 "},
		{"SOCKS4", "\x04\x01\x00\x50\x7f\x00\x00\x01\x00", ""},
		{"only with a password", "\x05\x01\x02", "\x05\xff"},
		{"no method at all", "\x05\x00", "\x05\xff"},
		{"half a greeting", "\x05\x02\x00", ""},
		{"BIND", "\x05\x01\x00" + "\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", "\x05\x00" + "\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00"},
		{"address of type 2", "\x05\x01\x00" + "\x05\x01\x00\x02", "\x05\x00" + "\x05\x08\x00\x01\x00\x00\x00\x00\x00\x00"},
		{"request of version 4", "\x05\x01\x00" + "\x04\x01\x00\x01\x7f\x00\x00\x01\x00\x50", "\x05\x00"},
		{"half an address", "\x05\x01\x00" + "\x05\x01\x00\x03\x09web", "\x05\x00"},
		{"name of no octets", "\x05\x01\x00" + "\x05\x01\x00\x03\x00\x00\x50", "\x05\x00" + "\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00"},
		{"nothing", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := talk(t, s.Addr(), test.send)
			if test.want == "" && got != "" || !strings.HasPrefix(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// echo is a TCP server that sends back what it gets.
func echo(t *testing.T) net.Addr {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return l.Addr()
}

// TestHalfClose: a client that has said all hears the rest of the answer. It
// also sends its data together with the request.
func TestHalfClose(t *testing.T) {
	s := newProxy(t)
	to := netip.MustParseAddrPort(echo(t).String())
	port := string(binary.BigEndian.AppendUint16(nil, to.Port()))
	data := strings.Repeat("0123456789", 10000)

	got := talk(t, s.Addr(), "\x05\x01\x00"+"\x05\x01\x00\x01\x7f\x00\x00\x01"+port+data)
	if len(got) != 2+10+len(data) || !strings.HasSuffix(got, data) {
		t.Errorf("SOCKS5: %d octets came back, want %d", len(got), 2+10+len(data))
	}
	got = talk(t, s.Addr(), "CONNECT "+to.String()+" HTTP/1.1\r\nHost: "+to.String()+"\r\n\r\n"+data)
	if head, body, _ := strings.Cut(got, "\r\n\r\n"); head != "HTTP/1.1 200 Connection established" || body != data {
		t.Errorf("CONNECT: %q and %d octets came back, want %d", head, len(body), len(data))
	}
	forward, err := ListenForward(Forward{Listen: "127.0.0.1:0", Target: fmt.Sprintf("echo.inside:%d", to.Port())}, inside())
	serve(t, forward, err)
	if got := talk(t, forward.Addr(), data); got != data {
		t.Errorf("forward: %d octets came back, want %d", len(got), len(data))
	}
}

func TestForwardToNobody(t *testing.T) {
	s, err := ListenForward(Forward{Listen: "127.0.0.1:0", Target: "web.outside:80"}, inside())
	serve(t, s, err)
	if got := talk(t, s.Addr(), ""); got != "" {
		t.Errorf("%q came back", got)
	}
}

// TestCloseEndsAll: Close ends connections of all kinds, in whatever state.
func TestCloseEndsAll(t *testing.T) {
	to := echo(t).String()
	before := runtime.NumGoroutine()
	s, err := Listen("127.0.0.1:0", inside())
	if err != nil {
		t.Fatal(err)
	}
	go s.Serve()
	var conns []net.Conn
	for _, text := range []string{
		"", "\x05", "GET http://", "CONNECT " + to + " HTTP/1.1\r\nHost: x\r\n\r\n",
		"\x05\x01\x00\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00",
	} {
		conn, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, text)
		conns = append(conns, conn)
	}
	r := bufio.NewReader(conns[3])
	if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
		t.Fatalf("%q, %v", line, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for i, conn := range conns {
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("connection %d is still open", i)
		}
		conn.Close()
	}
	for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
}

func TestAddressTaken(t *testing.T) {
	s := newProxy(t)
	_, err := Listen(s.Addr().String(), inside())
	if err == nil || !strings.Contains(err.Error(), s.Addr().String()+" is in use by another program") {
		t.Errorf("err = %v", err)
	}
	if _, err := Listen("192.0.2.1:1", inside()); err == nil || !strings.Contains(err.Error(), "cannot listen on 192.0.2.1:1") {
		t.Errorf("err = %v", err)
	}
}

func TestOnLoopback(t *testing.T) {
	for in, want := range map[string]string{
		"1080": "127.0.0.1:1080", ":1080": "127.0.0.1:1080", "127.0.0.2:1080": "127.0.0.2:1080",
		"[::1]:1080": "[::1]:1080", "0.0.0.0:1080": "0.0.0.0:1080", "*:1080": ":1080",
	} {
		if got := onLoopback(in); got != want {
			t.Errorf("onLoopback(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestParseForward(t *testing.T) {
	for in, want := range map[string]Forward{
		"8080:10.20.0.1:80":                {"127.0.0.1:8080", "10.20.0.1:80"},
		"127.0.0.1:8080:host:80":           {"127.0.0.1:8080", "host:80"},
		":8080:host:80":                    {"127.0.0.1:8080", "host:80"},
		"0.0.0.0:8080:host:80":             {"0.0.0.0:8080", "host:80"},
		"*:8080:host:80":                   {"*:8080", "host:80"},
		"0:host:80":                        {"127.0.0.1:0", "host:80"},
		"[::1]:8080:[2001:db8::1]:80":      {"[::1]:8080", "[2001:db8::1]:80"},
		"8080:[2001:db8::1]:80":            {"127.0.0.1:8080", "[2001:db8::1]:80"},
		"localhost:8080:intranet.corp:443": {"localhost:8080", "intranet.corp:443"},
	} {
		got, err := ParseForward(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", in, diff)
		}
		if again, err := ParseForward(got.String()); err != nil || again != got {
			t.Errorf("%s becomes %v, %v when read again", got, again, err)
		}
	}
	for _, in := range []string{
		"", "8080", "8080:80", "8080:host", "8080::80", "a:b:c:d:e", "x:host:80", "8080:host:x",
		"8080:host:0", "70000:host:80", "8080:host:70000", "8080:2001:db8::1:80", "[::1:8080:host:80", "[::1]8080:host:80", "-1:host:80",
	} {
		if got, err := ParseForward(in); err == nil {
			t.Errorf("%q: read as %v", in, got)
		} else if !strings.Contains(err.Error(), fmt.Sprintf("%q", in)) {
			t.Errorf("%q: the error doesn't name it: %v", in, err)
		}
	}
}

func FuzzParseForward(f *testing.F) {
	f.Add("8080:10.20.0.1:80")
	f.Add("127.0.0.1:8080:host:80")
	f.Add("[::1]:8080:[2001:db8::1]:80")
	f.Add("[::1:80")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := ParseForward(s)
		if err != nil {
			return
		}
		if _, _, err := net.SplitHostPort(got.Listen); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	})
}

func FuzzNegotiate(f *testing.F) {
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50"))
	f.Add([]byte("\x05\x02\x00\x02\x05\x03\x00\x03\x0aweb.inside\x00\x50"))
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x50"))
	f.Add([]byte("\x05\x01\x02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var out bytes.Buffer
		_, target, err := negotiate(struct {
			io.Reader
			io.Writer
		}{bytes.NewReader(b), &out})
		if err == nil {
			if _, _, err := net.SplitHostPort(target); err != nil && !strings.ContainsAny(target, "[]:%") {
				t.Errorf("target %q: %v", target, err)
			}
		}
		if out.Len() > 2 {
			t.Errorf("answered %x", out.Bytes())
		}
	})
}

// TestAssociate sends UDP through SOCKS5: to two targets, by address and by name.
func TestAssociate(t *testing.T) {
	s := newProxy(t)
	var targets []netip.AddrPort
	for i := range 2 {
		socket, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		targets = append(targets, netip.MustParseAddrPort(socket.LocalAddr().String()))
		go func() {
			b := make([]byte, 2000)
			for {
				n, from, err := socket.ReadFrom(b)
				if err != nil {
					return
				}
				_, _ = socket.WriteTo(append([]byte{byte('0' + i)}, b[:n]...), from)
			}
		}()
	}
	control, relay := openAssociation(t, s)
	client, err := net.Dial("udp", relay.String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ask := func(head []byte, text string) string {
		t.Helper()
		if _, err := client.Write(append(head, text...)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 2000)
		_ = client.SetReadDeadline(time.Now().Add(time.Minute))
		n, err := client.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	for i, to := range targets {
		head := appendAddress([]byte{0, 0, 0}, to)
		if got, want := ask(bytes.Clone(head), "by address"), string(head)+fmt.Sprint(i)+"by address"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		name := binary.BigEndian.AppendUint16([]byte("\x00\x00\x00\x03\x0becho.inside"), to.Port())
		if got, want := ask(name, "by name"), string(head)+fmt.Sprint(i)+"by name"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}

	// What must be dropped: fragments, half datagrams, other senders.
	head := appendAddress([]byte{0, 0, 0}, targets[0])
	fragment := bytes.Clone(head)
	fragment[2] = 1
	other, err := net.Dial("udp", relay.String())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	_, _ = client.Write(append(fragment, "fragment"...))
	_, _ = client.Write(head[:6])
	_, _ = other.Write(append(bytes.Clone(head), "stranger"...))
	if got := ask(bytes.Clone(head), "the last"); !strings.HasSuffix(got, "0the last") {
		t.Errorf("%q", got)
	}

	// The association ends with its connection.
	control.Close()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if again, err := net.ListenPacket("udp", relay.String()); err == nil {
			again.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatal("the relay's port is still open")
		}
	}
}

// openAssociation asks for UDP ASSOCIATE.
func openAssociation(t *testing.T, s *Server) (control net.Conn, relay netip.AddrPort) {
	t.Helper()
	control, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { control.Close() })
	_ = control.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(control, "\x05\x01\x00\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(control, b); err != nil || string(b) != "\x05\x00\x05\x00\x00" {
		t.Fatalf("%x, %v", b, err)
	}
	text, err := readAddress(control)
	if err != nil {
		t.Fatal(err)
	}
	return control, netip.MustParseAddrPort(text)
}

// TestManyAtOnce fetches a page a hundred times at once, by both protocols.
func TestManyAtOnce(t *testing.T) {
	s := newProxy(t)
	host, port := web(t)
	var wait sync.WaitGroup
	for i := range 100 {
		scheme := []string{"http", "socks5h"}[i%2]
		wait.Go(func() {
			_, got, err := viaProxy(t, scheme+"://"+s.Addr().String(), "http://"+host+":"+port)
			if err != nil || !strings.HasPrefix(got, "page of") {
				t.Errorf("%s: %q, %v", scheme, got, err)
			}
		})
	}
	wait.Wait()
}
