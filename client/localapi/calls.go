package localapi

import (
	"context"
	_ "embed"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
)

// call is one of the API's calls.
type call struct {
	method string
	serve  func(*Server, http.ResponseWriter, *http.Request, Caller) error
}

// calls are all there are, by path. openapi.json describes them.
var calls = map[string]call{
	"/v1/status":       {http.MethodGet, get(snapshot)},
	"/v1/watch":        {http.MethodGet, (*Server).watch},
	"/v1/profiles":     {http.MethodGet, get(profiles)},
	"/v1/connect":      {http.MethodPost, post(Backend.Connect)},
	"/v1/disconnect":   {http.MethodPost, post(nothing(Backend.Disconnect))},
	"/v1/reconnect":    {http.MethodPost, post(nothing(Backend.Reconnect))},
	"/v1/answer":       {http.MethodPost, post(nothing(Backend.Answer))},
	"/v1/log":          {http.MethodGet, (*Server).logLines},
	"/v1/probe":        {http.MethodPost, post(Backend.Probe)},
	"/v1/doctor":       {http.MethodPost, post(Backend.Doctor)},
	"/v1/metrics":      {http.MethodGet, (*Server).metrics},
	"/v1/version":      {http.MethodGet, (*Server).version},
	"/v1/openapi.json": {http.MethodGet, (*Server).description},
}

// get serves a call without a request.
func get[A any](do func(Backend, Caller) (A, error)) func(*Server, http.ResponseWriter, *http.Request, Caller) error {
	return func(s *Server, w http.ResponseWriter, r *http.Request, c Caller) error {
		if err := query(r, nil); err != nil {
			return err
		}
		answer, err := do(s.backend, c)
		if err != nil {
			return err
		}
		s.reply(w, http.StatusOK, answer)
		return nil
	}
}

// post serves a call with a request in JSON.
func post[Q, A any](do func(Backend, context.Context, Caller, Q) (A, error)) func(*Server, http.ResponseWriter, *http.Request, Caller) error {
	return func(s *Server, w http.ResponseWriter, r *http.Request, c Caller) error {
		request := new(Q)
		if secret, ok := any(request).(interface{ Clear() }); ok {
			defer secret.Clear()
		}
		if err := query(r, nil); err != nil {
			return err
		}
		if err := readBody(w, r, request); err != nil {
			return err
		}
		answer, err := do(s.backend, r.Context(), c, *request)
		if err != nil {
			return err
		}
		s.reply(w, http.StatusOK, answer)
		return nil
	}
}

// nothing is a call whose answer is that it worked.
func nothing[Q any](do func(Backend, context.Context, Caller, Q) error) func(Backend, context.Context, Caller, Q) (struct{}, error) {
	return func(b Backend, ctx context.Context, c Caller, request Q) (struct{}, error) {
		return struct{}{}, do(b, ctx, c, request)
	}
}

func snapshot(b Backend, c Caller) (Snapshot, error) {
	s, _ := b.Snapshot(c)
	return whole(s), nil
}

// whole is a snapshot as it is sent.
func whole(s Snapshot) Snapshot {
	if s.Tunnels == nil {
		s.Tunnels = []Tunnel{}
	}
	return s
}

func profiles(b Backend, c Caller) (ProfilesReply, error) {
	p, err := b.Profiles(c)
	if p == nil {
		p = []ProfileInfo{}
	}
	return ProfilesReply{Schema: 1, Profiles: p}, err
}

func (s *Server) version(w http.ResponseWriter, r *http.Request, _ Caller) error {
	if err := query(r, nil); err != nil {
		return err
	}
	s.reply(w, http.StatusOK, VersionReply{Schema: 1, Version: s.options.Version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH})
	return nil
}

//go:embed openapi.json
var openAPI []byte

// description answers with openapi.json.
func (s *Server) description(w http.ResponseWriter, r *http.Request, _ Caller) error {
	if err := query(r, nil); err != nil {
		return err
	}
	s.send(w, http.StatusOK, "application/json", openAPI)
	return nil
}

// query reads what follows the path: each of the names that it knows at most once. A
// request that has a body too is refused.
func query(r *http.Request, known map[string]func(string) error) error {
	if r.Method == http.MethodGet && r.ContentLength != 0 {
		return malformed("it has a body")
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return malformed("what follows the path can't be read")
	}
	for name, v := range values {
		set, ok := known[name]
		if !ok || len(v) != 1 {
			return malformed("unknown or repeated: %q", name)
		}
		if err := set(v[0]); err != nil {
			return err
		}
	}
	return nil
}

// logRequest reads a LogRequest from a query.
func logRequest(r *http.Request) (l LogRequest, err error) {
	err = query(r, map[string]func(string) error{
		"tunnel": func(v string) error { l.Tunnel = v; return checkNames("tunnel", v) },
		"follow": func(v string) (err error) {
			if l.Follow, err = strconv.ParseBool(v); err != nil {
				return malformed("follow is true or false")
			}
			return nil
		},
	})
	return l, err
}
