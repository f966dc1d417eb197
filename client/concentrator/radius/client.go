package radius

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// Policy is when an answer must have a Message-Authenticator.
type Policy uint8

const (
	On   Policy = iota // always
	Auto               // from a server that has sent one before
	Off                // never; one that is there is checked all the same
)

func (p Policy) String() string { return [...]string{"On", "Auto", "Off"}[p] }

// ParsePolicy reads a policy as a configuration file has it.
func ParsePolicy(s string) (Policy, error) {
	for p := On; p <= Off; p++ {
		if strings.EqualFold(s, p.String()) {
			return p, nil
		}
	}
	return On, fmt.Errorf("%q: wants On, Auto or Off", s)
}

// Server is where to ask.
type Server struct {
	Auth, Acct string // addresses with ports, such as "192.0.2.1:1812"
	Secret     []byte
}

// Config is how a Client asks. Chosen here: the defaults.
type Config struct {
	Name    string        // who asks, as NAS-Identifier; "": "postern"
	Servers []Server      // the first that answers is asked: primary, secondary
	Timeout time.Duration // from the first sending to the second; then it doubles, up to 4 s; 0: 1 s
	Retries int           // how often a request is repeated before the next server's turn; negative: never; 0: 3
	Require Policy        // of Message-Authenticator
}

// Client asks RADIUS servers. It may be used by many goroutines at once.
type Client struct {
	cfg     Config
	servers []*server
	cache   cache
	key     []byte // of the cache
}

// server is one of the servers, and what is known about it.
type server struct {
	auth, acct port
	secret     []byte
	signs      atomic.Bool // it has sent a Message-Authenticator
}

// port is one of a server's two.
type port struct {
	address string
	silent  atomic.Int64 // Unix nanoseconds until which another server is asked first
}

// silentFor is how long a server that didn't answer comes last. Chosen here.
const silentFor = time.Minute

// New returns a Client. There is nothing to close.
func New(cfg Config) *Client {
	if cfg.Name == "" {
		cfg.Name = "postern"
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Second
	}
	if cfg.Retries == 0 {
		cfg.Retries = 3
	}
	cfg.Retries = max(cfg.Retries, 0)
	c := &Client{cfg: cfg, key: make([]byte, 32)}
	_, _ = rand.Read(c.key)
	for _, s := range cfg.Servers {
		c.servers = append(c.servers, &server{auth: port{address: s.Auth}, acct: port{address: s.Acct}, secret: s.Secret})
	}
	return c
}

// Authenticate asks whether a user may come in. An error says that no server gave
// an answer that counts: a SilenceError for each of them, or what makes the request
// impossible to send.
func (c *Client) Authenticate(ctx context.Context, r Request) (Answer, error) {
	if r.Once == "" {
		return c.ask(ctx, &r)
	}
	return c.cache.do(ctx, r.key(c.key), func() (Answer, error) { return c.ask(ctx, &r) })
}

func (c *Client) ask(ctx context.Context, r *Request) (answer Answer, err error) {
	servers := c.servers
	if r.State.server != nil {
		servers = []*server{r.State.server}
	}
	err = each(servers, (*server).authPort, func(s *server) error {
		answer, err = c.askServer(ctx, s, r)
		return err
	})
	return answer, err
}

func (s *server) authPort() *port { return &s.auth }
func (s *server) acctPort() *port { return &s.acct }

// each tries servers until one answers, those last that were silent lately.
func each(servers []*server, of func(*server) *port, try func(*server) error) error {
	var errs []error
	for _, s := range order(servers, of) {
		err := try(s)
		if err == nil {
			of(s).silent.Store(0)
			return nil
		}
		errs = append(errs, err)
		if silence := (*SilenceError)(nil); !errors.As(err, &silence) {
			break
		}
		of(s).silent.Store(time.Now().Add(silentFor).UnixNano())
	}
	return errors.Join(errs...)
}

func order(servers []*server, of func(*server) *port) (all []*server) {
	var last []*server
	now := time.Now().UnixNano()
	for _, s := range servers {
		if of(s).silent.Load() > now {
			last = append(last, s)
			continue
		}
		all = append(all, s)
	}
	return append(all, last...)
}
