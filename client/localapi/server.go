package localapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Options are what a Server needs beside its Backend.
type Options struct {
	Log     *slog.Logger
	Version string // of the program

	// MaxConnections and MaxPerUser bound the connections to the daemon, root's
	// apart. 0: 2,000 and 200. Chosen here.
	MaxConnections, MaxPerUser int
}

// How long a caller may take. Chosen here.
const (
	headerTimeout = 10 * time.Second // from the connection, or the header's first octet, to its end
	bodyTimeout   = 10 * time.Second
	idleTimeout   = 2 * time.Minute // between two requests
	replyTimeout  = 30 * time.Second
	maxHeader     = 8 << 10 // octets; net/http adds 4,096
)

// Server is the daemon's end of the local API.
type Server struct {
	backend Backend
	options Options
	log     *slog.Logger
	names   names
	limits  limits
	http    *http.Server
	stop    context.CancelFunc // ends all calls
}

// NewServer returns a Server over a Backend.
func NewServer(b Backend, o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = 2000
	}
	if o.MaxPerUser == 0 {
		o.MaxPerUser = 200
	}
	s := &Server{backend: b, options: o, log: o.Log}
	s.limits = limits{all: o.MaxConnections, perUser: o.MaxPerUser, users: make(map[uint32]int)}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.http = &http.Server{
		Handler:                      http.HandlerFunc(s.serve),
		DisableGeneralOptionsHandler: true,
		ReadHeaderTimeout:            headerTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader,
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, c)
		},
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	return s
}

type connKey struct{}

// Serve answers the callers of a listener, of which there may be several, until
// Shutdown, which is no error. It closes the listener.
func (s *Server) Serve(l net.Listener) error {
	err := s.http.Serve(&listener{Listener: l, limits: &s.limits, log: s.log})
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("local API: %w", err)
}

// Shutdown ends all calls and waits for that until ctx ends, when it cuts what is left.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stop()
	if err := s.http.Shutdown(ctx); err != nil {
		return s.http.Close()
	}
	return nil
}

// serve answers one request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", serverName+s.options.Version)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok {
		panic(http.ErrAbortHandler) // not through Serve
	}
	call, refused := s.admit(w, r, c)
	if refused != nil {
		w.Header().Set("Connection", "close") // what follows may be the rest of a body
		s.fail(w, refused)
		return
	}
	caller := c.caller
	if caller.Name == "" {
		caller.Name = s.names.of(caller.UID)
	}
	if err := call.serve(s, w, r, caller); err != nil {
		s.fail(w, err)
	}
}

// serverName begins the Server header, by which a client knows whom it reached.
const serverName = "postern/"

// admit finds the call that a request is for, or says why there is none.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, c *conn) (call, error) {
	if c.refused {
		return call{}, &Reason{Code: CodeBusy, Exit: ExitTryLater, Message: "The service has too many connections of yours, or of all users.", Try: "Close programs that watch it, then try again."}
	}
	// A browser says on whose behalf it asks; no program of ours does.
	for _, h := range []string{"Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode"} {
		if _, there := r.Header[h]; there {
			return call{}, withStatus{malformed("it bears the header %s, as a web page's would", h), http.StatusForbidden}
		}
	}
	if r.Host != "" && r.Host != Host {
		return call{}, withStatus{malformed("its host isn't %q", Host), http.StatusForbidden}
	}
	found, ok := calls[r.URL.Path]
	if !ok {
		return call{}, withStatus{malformed("there is no such call"), http.StatusNotFound}
	}
	if r.Method != found.method {
		w.Header().Set("Allow", found.method)
		return call{}, withStatus{malformed("the method is %s", found.method), http.StatusMethodNotAllowed}
	}
	return found, nil
}

// withStatus is a Reason with an HTTP status that its code doesn't tell.
type withStatus struct {
	*Reason
	status int
}

func (e withStatus) Unwrap() error { return e.Reason }

// failure is how a Reason travels.
type failure struct {
	Error *Reason `json:"error"`
}

// reasonOf turns an error into what the caller is told.
func reasonOf(err error) *Reason {
	var r *Reason
	if errors.As(err, &r) {
		return r
	}
	return &Reason{Code: CodeOther, Exit: ExitOther, Message: "The service failed: " + err.Error() + "."}
}

// fail answers with an error.
func (s *Server) fail(w http.ResponseWriter, err error) {
	reason := reasonOf(err)
	status := reason.httpStatus()
	var with withStatus
	if errors.As(err, &with) {
		status = with.status
	}
	s.log.Debug("local API: refused", "status", status, "code", reason.Code)
	s.reply(w, status, failure{reason})
}

// reply answers with a value in JSON.
func (s *Server) reply(w http.ResponseWriter, status int, value any) {
	b, err := json.Marshal(value)
	if err != nil {
		s.log.Error("local API: reply", "error", err)
		status, b = http.StatusInternalServerError, []byte(`{"error":{"code":"other","message":"The service failed.","exit":1}}`)
	}
	s.send(w, status, "application/json", append(b, '\n'))
}

// send answers with octets. A caller that doesn't read them is cut.
func (s *Server) send(w http.ResponseWriter, status int, kind string, body []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(replyTimeout))
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(body) // the caller may be gone
}
