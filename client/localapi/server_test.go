package localapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestSnapshotInJSON(t *testing.T) {
	b, err := json.MarshalIndent(example(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "snapshot.json", append(b, '\n'))
	var back Snapshot
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.MarshalIndent(back, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(b), string(again)); diff != "" {
		t.Errorf("read and written anew (-want +got):\n%s", diff)
	}
}

func TestReasonsInJSON(t *testing.T) {
	alice := Caller{UID: 1000, Name: "alice"}
	var out []byte
	for _, r := range []*Reason{
		NotPermitted(alice, "connect"),
		NotPermitted(Caller{UID: 70000, Name: `CORP\o'neil`}, "answer"),
		NotPermitted(Caller{UID: 70000, Name: "\x1b[31m-rf"}, "disconnect"),
		NoSuchProfile("offcie"),
		NoSuchTunnel("1000:home\x07"),
		StalePrompt(),
		Unsupported("forward ports"),
		malformed("it has a body"),
		reasonOf(errors.New("disk full")),
		reasonOf(fmt.Errorf("connect: %w", StalePrompt())),
	} {
		b, err := json.MarshalIndent(failure{r}, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%d %s\n", r.httpStatus(), b)...)
	}
	golden(t, "reasons.txt", out)
}

// TestCalls makes each call through the real server and has it held against
// openapi.json.
func TestCalls(t *testing.T) {
	d := newDesk(example())
	d.lines = []LogLine{{Time: moment, Level: "info", Tunnel: "office", Message: "up", Attrs: map[string]string{"address": "10.20.1.7"}}, {Time: moment, Level: "warn", Message: "hot"}}
	c := reach(t, serve(t, d, Options{}))
	ctx := t.Context()

	snap, err := c.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example(), snap, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}, netip.Prefix{})); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
	for s, err := range c.Watch(ctx) {
		if err != nil || s.Version != "1.2.3" {
			t.Errorf("watch: %v, %v", s, err)
		}
		break
	}
	profiles, err := c.Profiles(ctx)
	if err != nil || len(profiles) != 2 || profiles[0].Name != "office" {
		t.Errorf("profiles: %v, %v", profiles, err)
	}
	connect := ConnectRequest{
		Document: &Document{Name: "home", TOML: "gateway = \"vpn\"\n", Secrets: map[string]Octets{"secret": Octets("s3/?>")}, Files: map[string]Octets{"ca": {}}},
		NoPrompt: true, Secrets: map[string]Octets{"password": Octets("geheim")}, Proxy: "127.0.0.1:1080", Forwards: []string{"8080:10.20.0.1:80"},
	}
	if _, err := c.Connect(ctx, connect); err != nil {
		t.Error(err)
	}
	answer := AnswerRequest{Tunnel: "1000:home", Prompt: 4, Answers: map[string]Octets{"password": Octets("gäheim")}}
	probe := ProbeRequest{Host: "vpn.example.org", Identity: "staff"}
	doctor := DoctorRequest{Tunnel: "office", Bundle: true}
	wantAsked := []any{"profiles", connect, TunnelRequest{Tunnel: "office"}, TunnelRequest{All: true}, answer, probe, doctor, LogRequest{Tunnel: "office"}}
	for _, err := range []error{
		c.Disconnect(ctx, TunnelRequest{Tunnel: "office"}), c.Reconnect(ctx, TunnelRequest{All: true}), c.Answer(ctx, answer),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if r, err := c.Probe(ctx, probe); err != nil || r.Host != probe.Host {
		t.Errorf("probe: %v, %v", r, err)
	}
	if r, err := c.Doctor(ctx, doctor); err != nil || r.System != "linux" {
		t.Errorf("doctor: %v, %v", r, err)
	}
	var lines []LogLine
	for l, err := range c.Log(ctx, LogRequest{Tunnel: "office"}) {
		if err != nil {
			t.Error(err)
		}
		lines = append(lines, l)
	}
	if diff := cmp.Diff(d.lines, lines); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	if text, err := c.Metrics(ctx); err != nil || !strings.Contains(string(text), "postern_build_info{") {
		t.Errorf("metrics: %s, %v", text, err)
	}
	if v, err := c.Version(ctx); err != nil || v.Version != "1.2.3" || v.Schema != 1 {
		t.Errorf("version: %v, %v", v, err)
	}
	var description map[string]any
	if err := c.get(ctx, "openapi.json", &description); err != nil || description["openapi"] == nil {
		t.Errorf("openapi.json: %v", err)
	}
	var asked []any
	for _, a := range wantAsked {
		b, _ := json.Marshal(a)
		asked = append(asked, string(b))
	}
	if diff := cmp.Diff(asked, d.asked); diff != "" {
		t.Errorf("what the backend was asked (-want +got):\n%s", diff)
	}
	for _, who := range d.callers {
		if int(who.UID) != os.Getuid() || int(who.PID) != os.Getpid() || who.Name == "" {
			t.Errorf("caller %+v", who)
		}
	}
	seen := c.http.Transport.(*checked).seen
	for path := range calls {
		if seen[path] == 0 {
			t.Errorf("%s wasn't called", path)
		}
	}
}

// TestFailures has each call fail, and the Reason arrive.
func TestFailures(t *testing.T) {
	d := newDesk(example())
	c := reach(t, serve(t, d, Options{}))
	ctx := t.Context()
	log := func() error {
		for _, err := range c.Log(ctx, LogRequest{}) {
			if err != nil {
				return err
			}
		}
		return nil
	}
	each := map[string]func() error{
		"profiles":   func() error { _, err := c.Profiles(ctx); return err },
		"connect":    func() error { _, err := c.Connect(ctx, ConnectRequest{Profile: "office"}); return err },
		"disconnect": func() error { return c.Disconnect(ctx, TunnelRequest{All: true}) },
		"reconnect":  func() error { return c.Reconnect(ctx, TunnelRequest{All: true}) },
		"answer":     func() error { return c.Answer(ctx, AnswerRequest{Tunnel: "office", Cancel: true}) },
		"log":        log,
		"log midway": func() error {
			d.lines = []LogLine{{Time: moment, Level: "info", Message: "one line, then not"}}
			return log()
		},
		"probe":  func() error { _, err := c.Probe(ctx, ProbeRequest{Host: "vpn"}); return err },
		"doctor": func() error { _, err := c.Doctor(ctx, DoctorRequest{}); return err },
	}
	for name, call := range each {
		for _, want := range []*Reason{
			NotPermitted(Caller{Name: "alice"}, "connect"), NoSuchTunnel("office"), StalePrompt(), Unsupported("do that"),
			{Code: CodeProfile, Exit: ExitProfile, Message: "Line 3."},
			{Code: "no_answer", Exit: ExitTimeout, Message: "Silence.", Try: "Wait.", Detail: "main mode"},
		} {
			d.err = fmt.Errorf("service: %w", want)
			var got *Reason
			if err := call(); !errors.As(err, &got) || *got != *want {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		}
		d.err = errors.New("disk full")
		var got *Reason
		if err := call(); !errors.As(err, &got) || got.Code != CodeOther || got.Exit != ExitOther || !strings.Contains(got.Message, "disk full") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// request is an HTTP request as text.
func request(method, target string, headers ...string) string {
	return method + " " + target + " HTTP/1.1\r\nHost: postern\r\nConnection: close\r\n" + strings.Join(headers, "\r\n") + "\r\n\r\n"
}

func withBody(target, kind, body string) string {
	return request("POST", target, "Content-Type: "+kind, fmt.Sprintf("Content-Length: %d", len(body))) + body
}

// TestRefused has a matrix of requests that no program of ours makes.
func TestRefused(t *testing.T) {
	const js = "application/json"
	connect := func(body string) string { return withBody("/v1/connect", js, body) }
	tests := map[string]struct {
		request string
		status  int
		says    string
	}{
		"a good one":                 {connect(`{"profile":"office"}`), 200, `"id":"office"`},
		"a good one without a host":  {"GET /v1/status HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", 200, `"schema":1`},
		"HTTP/1.0":                   {"GET /v1/status HTTP/1.0\r\n\r\n", 200, `"schema":1`},
		"charset":                    {withBody("/v1/connect", js+"; charset=utf-8", `{"profile":"office"}`), 200, `"id"`},
		"in chunks":                  {request("POST", "/v1/connect", "Content-Type: "+js, "Transfer-Encoding: chunked") + "14\r\n{\"profile\":\"office\"}\r\n0\r\n\r\n", 200, `"id"`},
		"Origin":                     {request("GET", "/v1/status", "Origin: http://evil.example"), 403, "Origin"},
		"Origin null":                {request("GET", "/v1/status", "Origin: null"), 403, "Origin"},
		"Origin empty":               {request("GET", "/v1/status", "Origin:"), 403, "Origin"},
		"Referer":                    {request("GET", "/v1/status", "referer: http://postern/"), 403, "Referer"},
		"a browser's navigation":     {request("GET", "/v1/status", "Sec-Fetch-Site: none"), 403, "Sec-Fetch-Site"},
		"a foreign host":             {"GET /v1/status HTTP/1.1\r\nHost: evil.example\r\n\r\n", 403, `host isn't \"postern\"`},
		"a host with a port":         {"GET /v1/status HTTP/1.1\r\nHost: postern:80\r\n\r\n", 403, "host"},
		"a foreign target":           {"GET http://evil.example/v1/status HTTP/1.1\r\nHost: postern\r\n\r\n", 403, "host"},
		"two hosts":                  {"GET /v1/status HTTP/1.1\r\nHost: postern\r\nHost: postern\r\n\r\n", 400, "Bad Request"},
		"unknown path":               {request("GET", "/v1/nothing"), 404, "no such call"},
		"root":                       {request("GET", "/"), 404, "no such call"},
		"another version":            {request("GET", "/v2/status"), 404, "no such call"},
		"a slash more":               {request("GET", "/v1/status/"), 404, "no such call"},
		"dots":                       {request("GET", "/v1/../v1/status"), 404, "no such call"},
		"asterisk":                   {request("OPTIONS", "*"), 404, "no such call"},
		"wrong method":               {request("POST", "/v1/status"), 405, "the method is GET"},
		"wrong method the other way": {request("GET", "/v1/connect"), 405, "the method is POST"},
		"HEAD":                       {request("HEAD", "/v1/status"), 405, ""},
		"OPTIONS":                    {request("OPTIONS", "/v1/connect"), 405, "the method is POST"},
		"CONNECT":                    {"CONNECT postern HTTP/1.1\r\nHost: postern\r\n\r\n", 404, "no such call"},
		"no content type":            {request("POST", "/v1/connect", "Content-Length: 2") + "{}", 415, "Content-Type"},
		"a form":                     {withBody("/v1/connect", "application/x-www-form-urlencoded", "profile=office"), 415, "Content-Type"},
		"plain text":                 {withBody("/v1/connect", "text/plain", `{"profile":"office"}`), 415, "Content-Type"},
		"no body":                    {connect(""), 400, "isn't JSON"},
		"not JSON":                   {connect("profile: office"), 400, "isn't JSON"},
		"JSON and more":              {connect(`{"profile":"office"}{}`), 400, "isn't JSON"},
		"an array":                   {connect(`[]`), 400, "isn't an object"},
		"null":                       {connect(`null`), 400, "isn't an object"},
		"unknown field":              {connect(`{"profile":"office","uid":0}`), 400, `unknown field \"uid\"`},
		"unknown field inside":       {connect(`{"document":{"name":"x","path":"/etc/shadow"}}`), 400, `unknown field \"path\"`},
		"another case":               {connect(`{"Profile":"office"}`), 400, `unknown field \"Profile\"`},
		"twice":                      {connect(`{"profile":"office","profile":"home"}`), 400, "twice"},
		"a secret twice":             {connect(`{"profile":"office","secrets":{"password":"QQ==","password":"Qg=="}}`), 400, "twice"},
		"a name with escapes":        {connect(`{"profile":"office","secrets":{"pass\u0077ord":"QQ=="}}`), 400, "unknown field"},
		"wrong kind":                 {connect(`{"profile":7}`), 400, `field \"profile\" is of the wrong kind`},
		"a secret that isn't base64": {connect(`{"profile":"office","secrets":{"password":"pa$$"}}`), 400, "octets aren't base64"},
		"a secret that's a number":   {connect(`{"profile":"office","secrets":{"otp_secret":123456}}`), 400, "octets are a string of base64"},
		"neither":                    {connect(`{}`), 400, "names a profile or bears one"},
		"both":                       {connect(`{"profile":"a","document":{"name":"b","toml":""}}`), 400, "names a profile or bears one"},
		"a document without a name":  {connect(`{"document":{"name":"","toml":""}}`), 400, "no name"},
		"control characters":         {connect(`{"profile":"a\u0000b"}`), 400, "no name has"},
		"line end":                   {connect(`{"document":{"name":"a\nb","toml":""}}`), 400, "no name has"},
		"not UTF-8":                  {connect("{\"profile\":\"a\xff\"}"), 400, "no name has"},
		"a long name":                {connect(`{"profile":"` + strings.Repeat("a", maxName+1) + `"}`), 400, "longer than 256 octets"},
		"many forwards":              {connect(`{"profile":"a","forwards":["1"` + strings.Repeat(`,"1"`, maxForwards) + `]}`), 400, "forwards"},
		"deep":                       {connect(strings.Repeat(`{"document":`, 20000)), 413, "64 KiB"},
		"deep in 64 KiB":             {connect(`{"profile":` + strings.Repeat(`[`, 30000) + strings.Repeat(`]`, 30000) + `}`), 400, "isn't JSON"},
		"disconnect: neither":        {withBody("/v1/disconnect", js, `{}`), 400, "or means all"},
		"disconnect: both":           {withBody("/v1/disconnect", js, `{"tunnel":"a","all":true}`), 400, "or means all"},
		"answer: no tunnel":          {withBody("/v1/answer", js, `{"prompt":1}`), 400, "names no connection"},
		"answer: both":               {withBody("/v1/answer", js, `{"tunnel":"a","prompt":1,"cancel":true,"answers":{"a":""}}`), 400, "not both"},
		"answer: a negative prompt":  {withBody("/v1/answer", js, `{"tunnel":"a","prompt":-1}`), 400, "wrong kind"},
		"probe: no host":             {withBody("/v1/probe", js, `{}`), 400, "names no host"},
		"probe: a terminal's escape": {withBody("/v1/probe", js, `{"host":"\u001b[2J"}`), 400, "no name has"},
		"doctor: a line end":         {withBody("/v1/doctor", js, `{"tunnel":"a\n"}`), 400, "no name has"},
		"query":                      {request("GET", "/v1/status?uid=0"), 400, `unknown or repeated: \"uid\"`},
		"query of a POST":            {withBody("/v1/connect?a=b", js, `{"profile":"office"}`), 400, "unknown or repeated"},
		"log: unknown":               {request("GET", "/v1/log?path=/etc/shadow"), 400, "unknown or repeated"},
		"log: twice":                 {request("GET", "/v1/log?tunnel=a&tunnel=b"), 400, "unknown or repeated"},
		"log: follow":                {request("GET", "/v1/log?follow=perhaps"), 400, "true or false"},
		"log: control characters":    {request("GET", "/v1/log?tunnel=%00"), 400, "no name has"},
		"log: bad escape":            {request("GET", "/v1/log?tunnel=%zz"), 400, "can't be read"},
		"a body where none belongs":  {request("GET", "/v1/status", "Content-Length: 2") + "{}", 400, "has a body"},
		"65,537 octets":              {connect(`{"profile":"` + strings.Repeat("a", MaxMessage-13) + `"}`), 413, "larger than 64 KiB"},
		"too many in chunks":         {request("POST", "/v1/connect", "Content-Type: "+js, "Transfer-Encoding: chunked") + strings.Repeat("8000\r\n"+strings.Repeat(" ", 0x8000)+"\r\n", 3) + "0\r\n\r\n", 413, "larger than 64 KiB"},
		"too many announced":         {request("POST", "/v1/connect", "Content-Type: "+js, "Content-Length: 9999999999"), 413, "larger than 64 KiB"},
		"a body that ends early":     {request("POST", "/v1/connect", "Content-Type: "+js, "Content-Length: 100") + `{"profile":"office"}`, 400, "ends early"},
		"a large header":             {request("GET", "/v1/status", "X: "+strings.Repeat("a", 64<<10)), 431, ""},
		"no HTTP":                    {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, ""},
		"HTTP/2":                     {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 404, "no such call"},
	}
	d := newDesk(example())
	socket := serve(t, d, Options{})
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := len(d.asked)
			answer := string(raw(t, socket, []byte(test.request)))
			if !strings.Contains(strings.SplitN(answer, "\r\n", 2)[0], fmt.Sprintf(" %d ", test.status)) || !strings.Contains(answer, test.says) {
				t.Errorf("want %d and %q:\n%.600s", test.status, test.says, answer)
			}
			if test.status != http.StatusOK && len(d.asked) != before {
				t.Errorf("the backend was asked %v", d.asked[before:])
			}
			if test.status < 400 || test.says == "" || test.says == "Bad Request" {
				return
			}
			var f failure
			_, body, _ := strings.Cut(answer, "\r\n\r\n")
			if err := json.Unmarshal([]byte(body), &f); err != nil || f.Error == nil || f.Error.Exit != ExitProfile {
				t.Errorf("the body isn't a Reason: %q", body)
			}
		})
	}
}

// TestLargest has the largest request that goes.
func TestLargest(t *testing.T) {
	d := newDesk(example())
	socket := serve(t, d, Options{})
	body := `{"document":{"name":"x","toml":"` + strings.Repeat("#", MaxMessage-35) + `"}}`
	if len(body) != MaxMessage {
		t.Fatalf("%d octets", len(body))
	}
	if answer := string(raw(t, socket, []byte(withBody("/v1/connect", "application/json", body)))); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
		t.Errorf("%.400s", answer)
	}
}

// TestOctetsAreCleared sees that a request's secrets are zeros after the call.
func TestOctetsAreCleared(t *testing.T) {
	d := newDesk(example())
	keep := &keeper{desk: d}
	c := reach(t, serve(t, keep, Options{}))
	if _, err := c.Connect(t.Context(), ConnectRequest{
		Document: &Document{Name: "x", Secrets: map[string]Octets{"secret": Octets("one")}, Files: map[string]Octets{"key": Octets("two")}},
		Secrets:  map[string]Octets{"password": Octets("three")},
	}); err != nil {
		t.Fatal(err)
	}
	if err := c.Answer(t.Context(), AnswerRequest{Tunnel: "x", Prompt: 1, Answers: map[string]Octets{"password": Octets("four")}}); err != nil {
		t.Fatal(err)
	}
	if len(keep.kept) != 4 {
		t.Fatalf("%d secrets kept", len(keep.kept))
	}
	for i, o := range keep.kept {
		if strings.Trim(string(o), "\x00") != "" {
			t.Errorf("secret %d isn't cleared", i)
		}
	}
}

// keeper keeps the secrets that it is given, as a Backend must not.
type keeper struct {
	*desk
	kept []Octets
}

func (k *keeper) Connect(_ context.Context, _ Caller, r ConnectRequest) (ConnectReply, error) {
	k.kept = append(k.kept, r.Document.Secrets["secret"], r.Document.Files["key"], r.Secrets["password"])
	return ConnectReply{}, nil
}

func (k *keeper) Answer(_ context.Context, _ Caller, r AnswerRequest) error {
	k.kept = append(k.kept, r.Answers["password"])
	return nil
}

// TestShutdownEndsCalls has a call under way end with its context.
func TestShutdownEndsCalls(t *testing.T) {
	d := newDesk(example())
	began := make(chan struct{})
	d.during = func(ctx context.Context) {
		close(began)
		<-ctx.Done()
	}
	l, err := Listen(t.TempDir()+"/s", 0o600)
	if err != nil {
		t.Fatal(err)
	}
	s := NewServer(d, Options{})
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	called := make(chan error, 1)
	go func() { _, err := New(l.Addr().String()).Probe(t.Context(), ProbeRequest{Host: "x"}); called <- err }()
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	<-called
}
