package localapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Client calls a daemon. Its methods may be called concurrently. Their errors are a
// *Reason, but for those of the context.
type Client struct {
	socket string // "": the first one that is there, each time
	http   http.Client
}

// New returns a Client of the daemon that listens on a socket; "" is the first one of
// DefaultSockets that is there, looked for anew with each connection. Nothing is
// connected yet.
func New(socket string) *Client {
	c := &Client{socket: socket}
	c.http.Transport = &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, c.Socket()) },
		DisableCompression: true,
		MaxIdleConns:       2,
		IdleConnTimeout:    idleTimeout / 2, // before the daemon ends it
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// found is the first socket that is there, else the system's.
func found(sockets []string) string {
	for _, s := range sockets {
		if _, err := os.Stat(s); err == nil {
			return s
		}
	}
	return SystemSocket()
}

// Socket returns where the daemon listens.
func (c *Client) Socket() string {
	if c.socket == "" {
		return found(DefaultSockets())
	}
	return c.socket
}

// Close gives up the connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// patience is how long a call may take that asks nobody but the daemon. Chosen here.
const patience = 30 * time.Second

// Snapshot returns what the caller may know.
func (c *Client) Snapshot(ctx context.Context) (s Snapshot, err error) {
	if err := c.get(ctx, "status", &s); err != nil {
		return s, err
	}
	return s, c.understood(s.Schema)
}

// Profiles returns the system's profiles.
func (c *Client) Profiles(ctx context.Context) ([]ProfileInfo, error) {
	var r ProfilesReply
	if err := c.get(ctx, "profiles", &r); err != nil {
		return nil, err
	}
	return r.Profiles, c.understood(r.Schema)
}

// Version returns which daemon answers.
func (c *Client) Version(ctx context.Context) (v VersionReply, err error) {
	return v, c.get(ctx, "version", &v)
}

// Connect begins a connection. How it goes is in the snapshots. The request's secrets
// stay the caller's to clear.
func (c *Client) Connect(ctx context.Context, r ConnectRequest) (reply ConnectReply, err error) {
	return reply, c.post(ctx, "connect", patience, r, &reply)
}

// Disconnect ends a connection.
func (c *Client) Disconnect(ctx context.Context, r TunnelRequest) error {
	return c.post(ctx, "disconnect", patience, r, nil)
}

// Reconnect makes a connection anew.
func (c *Client) Reconnect(ctx context.Context, r TunnelRequest) error {
	return c.post(ctx, "reconnect", patience, r, nil)
}

// Answer answers a prompt. The answers stay the caller's to clear.
func (c *Client) Answer(ctx context.Context, r AnswerRequest) error {
	return c.post(ctx, "answer", patience, r, nil)
}

// Probe asks what a gateway answers to, which takes its time.
func (c *Client) Probe(ctx context.Context, r ProbeRequest) (*ProbeReport, error) {
	report := new(ProbeReport)
	if err := c.post(ctx, "probe", 0, r, report); err != nil {
		return nil, err
	}
	return report, nil
}

// Doctor asks for checks and a redacted report, which takes its time.
func (c *Client) Doctor(ctx context.Context, r DoctorRequest) (*DoctorReport, error) {
	report := new(DoctorReport)
	if err := c.post(ctx, "doctor", 0, r, report); err != nil {
		return nil, err
	}
	return report, nil
}

// Metrics returns counters in Prometheus' text format.
func (c *Client) Metrics(ctx context.Context) ([]byte, error) {
	var text []byte
	err := c.call(ctx, http.MethodGet, "metrics", patience, nil, func(r io.Reader) (err error) {
		text, err = io.ReadAll(r)
		return err
	})
	return text, err
}

// Watch yields the snapshot, now and after each change, until ctx ends. Another end is an
// error, after which the caller may watch anew.
func (c *Client) Watch(ctx context.Context) iter.Seq2[Snapshot, error] {
	return func(yield func(Snapshot, error) bool) {
		err := lines(ctx, c, "watch", func(s Snapshot) error {
			if err := c.understood(s.Schema); err != nil {
				return err
			}
			if !yield(s, nil) {
				return errEnough
			}
			return nil
		})
		if err == nil {
			err = c.gone(io.ErrUnexpectedEOF)
		}
		if !errors.Is(err, errEnough) && ctx.Err() == nil {
			yield(Snapshot{}, err)
		}
	}
}

// Log yields lines of the daemon's log, with Follow until ctx ends.
func (c *Client) Log(ctx context.Context, r LogRequest) iter.Seq2[LogLine, error] {
	q := url.Values{}
	if r.Tunnel != "" {
		q.Set("tunnel", r.Tunnel)
	}
	if r.Follow {
		q.Set("follow", "true")
	}
	return func(yield func(LogLine, error) bool) {
		err := lines(ctx, c, "log?"+q.Encode(), func(l LogLine) error {
			if !yield(l, nil) {
				return errEnough
			}
			return nil
		})
		if err == nil && r.Follow {
			err = c.gone(io.ErrUnexpectedEOF)
		}
		if err != nil && !errors.Is(err, errEnough) && ctx.Err() == nil {
			yield(LogLine{}, err)
		}
	}
}

// errEnough says that the caller wants no more lines.
var errEnough = errors.New("enough")

// lines reads a stream: its values, without the blank lines that keep it alive.
func lines[T any](ctx context.Context, c *Client, path string, each func(T) error) error {
	return c.call(ctx, http.MethodGet, path, 0, nil, func(r io.Reader) error {
		d := json.NewDecoder(r)
		for {
			var raw json.RawMessage
			var failed failure
			var value T
			var syntax *json.SyntaxError
			switch err := d.Decode(&raw); {
			case err == io.EOF:
				return nil
			case errors.As(err, &syntax):
				return c.foreign(err)
			case err != nil:
				return err
			}
			if json.Unmarshal(raw, &failed) == nil && failed.Error != nil {
				return failed.Error
			}
			if err := json.Unmarshal(raw, &value); err != nil {
				return c.foreign(err)
			}
			if err := each(value); err != nil {
				return err
			}
		}
	})
}

func (c *Client) get(ctx context.Context, path string, reply any) error {
	return c.call(ctx, http.MethodGet, path, patience, nil, c.decode(reply))
}

func (c *Client) post(ctx context.Context, path string, limit time.Duration, request, reply any) error {
	b, err := json.Marshal(request)
	if err != nil {
		return malformed("%v", err)
	}
	body := &message{octets: b}
	defer body.clear()
	return c.call(ctx, http.MethodPost, path, limit, body, c.decode(reply))
}

// decode reads an answer into reply; nil: none of it.
func (c *Client) decode(reply any) func(io.Reader) error {
	return func(r io.Reader) error {
		if reply == nil {
			_, err := io.Copy(io.Discard, r)
			return err
		}
		b, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(b, reply); err != nil {
			return c.foreign(err)
		}
		return nil
	}
}

// call makes a request and has its answer read. limit bounds how long that takes; 0: not.
func (c *Client) call(ctx context.Context, method, path string, limit time.Duration, body *message, read func(io.Reader) error) error {
	caller := ctx
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+Host+"/v1/"+path, nil)
	if err != nil {
		return malformed("%v", err)
	}
	if body != nil {
		r.Body, _ = body.open()
		r.GetBody, r.ContentLength = body.open, int64(len(body.octets))
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(r)
	if err == nil {
		defer answer.Body.Close()
		err = c.read(answer, read)
	}
	var reason *Reason
	switch {
	case err == nil, errors.As(err, &reason), errors.Is(err, errEnough):
		return err
	case caller.Err() != nil:
		return caller.Err()
	}
	return c.gone(err)
}

// read tells a failure from an answer.
func (c *Client) read(answer *http.Response, read func(io.Reader) error) error {
	version, ours := strings.CutPrefix(answer.Header.Get("Server"), serverName)
	if !ours {
		return c.foreign(errors.New("no such Server header"))
	}
	if answer.StatusCode == http.StatusOK {
		return read(answer.Body)
	}
	var f failure
	b, err := io.ReadAll(io.LimitReader(answer.Body, MaxMessage))
	if err != nil {
		return err
	}
	if json.Unmarshal(b, &f) != nil || f.Error == nil {
		return c.foreign(fmt.Errorf("status %d", answer.StatusCode))
	}
	if answer.StatusCode == http.StatusNotFound && f.Error.Code == CodeRequest {
		return &Reason{
			Code: CodeWrongService, Exit: ExitService, Detail: f.Error.Message,
			Message: fmt.Sprintf("The service on %s is version %s, which doesn't know this call.", c.Socket(), version),
			Try:     "Restart it, so that it is as new as this program.",
		}
	}
	return f.Error
}

// understood says whether a snapshot is in the words that we know.
func (c *Client) understood(schema int) error {
	if schema == 1 {
		return nil
	}
	return &Reason{
		Code: CodeWrongService, Exit: ExitService,
		Message: fmt.Sprintf("The service on %s answers in schema %d, and this program knows schema 1.", c.Socket(), schema),
		Try:     "Install the same version of both, and restart the service.",
	}
}

// foreign says that what answers isn't a daemon of ours.
func (c *Client) foreign(err error) error {
	return &Reason{
		Code: CodeWrongService, Exit: ExitService, Detail: err.Error(),
		Message: fmt.Sprintf("What listens on %s isn't postern's service.", c.Socket()), Try: "Name the right one with --socket.",
	}
}

// gone says that no daemon answers.
func (c *Client) gone(err error) error {
	r := &Reason{Code: CodeNoService, Exit: ExitService, Detail: err.Error(), Try: "Start it with: " + startCommand(c.Socket())}
	switch {
	case errors.Is(err, fs.ErrPermission):
		r.Message, r.Try = fmt.Sprintf("You may not open %s.", c.Socket()), "It is another person's; leave --socket out to use your own."
	case errors.Is(err, context.DeadlineExceeded):
		r.Message = fmt.Sprintf("The service on %s doesn't answer.", c.Socket())
	case isDial(err):
		r.Message = fmt.Sprintf("The service isn't running: nobody listens on %s.", c.Socket())
	default:
		r.Message = fmt.Sprintf("The service on %s ended before it answered.", c.Socket())
	}
	return r
}

// isDial says whether there was no connection at all.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" || errors.Is(err, fs.ErrNotExist)
}
