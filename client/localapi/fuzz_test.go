package localapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode"
	"unicode/utf8"
)

// guard is a Backend that takes nothing malformed.
type guard struct {
	mu  sync.Mutex
	bad []string
}

func (g *guard) want(ok bool, what string, request any) {
	if !ok {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.bad = append(g.bad, fmt.Sprintf("%s: %+v", what, request))
	}
}

// found returns what was malformed, once.
func (g *guard) found() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	bad := g.bad
	g.bad = nil
	return bad
}

// fit says whether all are names.
func fit(names ...string) bool {
	for _, s := range names {
		if len(s) > 256 || !utf8.ValidString(s) || strings.IndexFunc(s, unicode.IsControl) >= 0 {
			return false
		}
	}
	return true
}

func (g *guard) Snapshot(Caller) (Snapshot, <-chan struct{}) { return example(), nil }
func (g *guard) Profiles(Caller) ([]ProfileInfo, error)      { return nil, nil }

func (g *guard) Connect(_ context.Context, _ Caller, r ConnectRequest) (ConnectReply, error) {
	g.want((r.Profile != "") != (r.Document != nil) && fit(append(r.Forwards, r.Profile, r.Proxy)...), "connect", r)
	if r.Document != nil {
		g.want(r.Document.Name != "" && fit(r.Document.Name), "connect", r)
	}
	return ConnectReply{ID: "x"}, nil
}

func (g *guard) Disconnect(_ context.Context, _ Caller, r TunnelRequest) error {
	g.want((r.Tunnel != "") != r.All && fit(r.Tunnel), "tunnel", r)
	return nil
}

func (g *guard) Reconnect(ctx context.Context, c Caller, r TunnelRequest) error {
	return g.Disconnect(ctx, c, r)
}

func (g *guard) Answer(_ context.Context, _ Caller, r AnswerRequest) error {
	g.want(r.Tunnel != "" && fit(r.Tunnel) && !(r.Cancel && len(r.Answers) > 0), "answer", r)
	return nil
}

func (g *guard) Log(_ context.Context, _ Caller, r LogRequest, _ func(LogLine) error) error {
	g.want(fit(r.Tunnel), "log", r)
	return nil
}

func (g *guard) Probe(_ context.Context, _ Caller, r ProbeRequest) (*ProbeReport, error) {
	g.want(r.Host != "" && fit(r.Host, r.Identity, r.IdentityType), "probe", r)
	return &ProbeReport{Schema: 1}, nil
}

func (g *guard) Doctor(_ context.Context, _ Caller, r DoctorRequest) (*DoctorReport, error) {
	g.want(fit(r.Tunnel), "doctor", r)
	return &DoctorReport{Schema: 1}, nil
}

// alarm is a log that keeps what tells of a panic.
type alarm struct {
	mu   sync.Mutex
	text []string
}

func (a *alarm) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("panic")) || bytes.Contains(b, []byte("level=ERROR")) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.text = append(a.text, string(b))
	}
	return len(b), nil
}

func (a *alarm) rung() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.text)
}

// fuzzed runs a server that every input gets to.
func fuzzed(f *testing.F) (send func(t *testing.T, request []byte)) {
	g, a := new(guard), new(alarm)
	log := slog.New(slog.NewTextHandler(a, &slog.HandlerOptions{Level: slog.LevelDebug}))
	socket := serve(f, g, Options{Log: log})
	return func(t *testing.T, request []byte) {
		got := raw(t, socket, request)
		if bad := g.found(); bad != nil {
			t.Errorf("the backend was asked %q", bad)
		}
		if rung := a.rung(); rung != nil {
			t.Fatalf("%s", rung)
		}
		if len(got) > 0 && !bytes.HasPrefix(got, []byte("HTTP/1.")) {
			t.Errorf("answer: %q", got)
		}
		if bytes.HasPrefix(got, []byte("HTTP/1.1 500")) {
			t.Errorf("answer: %q", got)
		}
	}
}

// bodies are good requests, by path.
var bodies = map[string]string{
	"/v1/connect":    `{"document":{"name":"x","toml":"gateway = \"g\"","secrets":{"secret":"QQ=="},"files":{"ca":""}},"no_prompt":true,"secrets":{"password":"QUI="},"proxy":":1080","forwards":["1:2:3"]}`,
	"/v1/disconnect": `{"tunnel":"office"}`,
	"/v1/reconnect":  `{"all":true}`,
	"/v1/answer":     `{"tunnel":"office","prompt":7,"answers":{"password":"QQ=="}}`,
	"/v1/probe":      `{"host":"192.0.2.1:500","identity":"staff"}`,
	"/v1/doctor":     `{"tunnel":"office","bundle":true,"anonymous":true}`,
}

// FuzzServer sends octets as they are.
func FuzzServer(f *testing.F) {
	for path, c := range calls {
		if c.method == http.MethodGet {
			f.Add([]byte(request("GET", path)))
		} else {
			f.Add([]byte(withBody(path, "application/json", bodies[path])))
		}
	}
	f.Add([]byte(request("GET", "/v1/log?tunnel=a&follow=true")))
	f.Add([]byte("GET /v1/status HTTP/1.1\r\nHost: postern\r\n\r\nGET /v1/version HTTP/1.1\r\nHost:\r\n\r\n"))
	f.Add([]byte(request("POST", "/v1/probe", "Content-Type: application/json", "Transfer-Encoding: chunked") + "c\r\n{\"host\":\"x\"}\r\n0\r\n\r\n"))
	f.Add([]byte("POST /v1/answer HTTP/1.1\r\nHost: postern\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{"))
	send := fuzzed(f)
	f.Fuzz(func(t *testing.T, request []byte) { send(t, request) })
}

// FuzzBody sends octets as the body of each call that takes one.
func FuzzBody(f *testing.F) {
	paths := slices.Sorted(maps.Keys(bodies))
	for i, path := range paths {
		f.Add(uint8(i), []byte(bodies[path]))
	}
	send := fuzzed(f)
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		send(t, []byte(withBody(paths[int(which)%len(paths)], "application/json", string(body))))
	})
}

// FuzzFields holds checkFields against package json's own strictness: what passes here
// passes there.
func FuzzFields(f *testing.F) {
	for _, body := range bodies {
		f.Add([]byte(body))
	}
	for _, body := range []string{` { } `, `{"document":{"name":"a"},"document":null}`, `{"forwards":[{"a":[1,{}]}]}`, `{"secrets":{"a":"\"}{"}}`, `{"a\"":1}`, `{"no_prompt":true}`, "{\"profile\":-1e+5 }\n", `{"forwards":[]}`} {
		f.Add([]byte(body))
	}
	types := []any{ConnectRequest{}, AnswerRequest{}, TunnelRequest{}}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, kind := range types {
			typ := reflect.TypeOf(kind)
			if checkFields(body, typ) != nil {
				continue
			}
			if err := json.Unmarshal(body, reflect.New(typ).Interface()); err != nil {
				continue // of a wrong kind
			}
			d := json.NewDecoder(bytes.NewReader(body))
			d.DisallowUnknownFields()
			if err := d.Decode(reflect.New(typ).Interface()); err != nil {
				t.Errorf("%s passes for %v: %v", body, typ, err)
			}
		}
	})
}
