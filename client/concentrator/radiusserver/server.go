package radiusserver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	codec "layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2866"
	"layeh.com/radius/rfc2869"

	"postern/client/concentrator/radius"
)

// Config is what a Server knows.
type Config struct {
	Secret []byte
	Users  map[string]*User // the Server's from now on

	// Saw, if not nil, is told of each request that was answered, repetitions apart,
	// and of those that come from nobody who knows the secret: in a line, without
	// any secret. It is called by one goroutine.
	Saw func(line string)

	// Unsigned: answers have no Message-Authenticator, as those of servers before
	// 2024; requests without one are taken.
	Unsigned bool
}

// Server answers one request after the other.
type Server struct {
	cfg  Config
	conn *net.UDPConn
	done chan struct{} // closed when serve has returned

	// Of serve's goroutine.
	answers map[request]answer
	pending map[string]pending // by State

	mu      sync.Mutex
	records []radius.Record
	asked   int
}

// request tells requests apart. RFC 2865, section 2.5, counts the port too.
type request struct {
	from          netip.AddrPort
	identifier    byte
	authenticator [16]byte
}

// answer is kept for repetitions.
type answer struct {
	octets []byte
	until  time.Time
}

// Chosen here.
const (
	remembered = 10 * time.Second
	swept      = 1000 // entries from which on old ones are removed
)

// Listen opens a socket, such as 127.0.0.1:0, and answers there: both logins and
// accounting.
func Listen(at netip.AddrPort, cfg Config) (*Server, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, conn: conn, done: make(chan struct{}),
		answers: make(map[request]answer), pending: make(map[string]pending),
	}
	if s.cfg.Saw == nil {
		s.cfg.Saw = func(string) {}
	}
	go s.serve()
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() netip.AddrPort { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Close ends the server.
func (s *Server) Close() {
	_ = s.conn.Close()
	<-s.done
}

// Records are the accounting records that came, repetitions apart.
func (s *Server) Records() []radius.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]radius.Record(nil), s.records...)
}

// Asked is how many Access-Requests were judged, repetitions apart.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *Server) serve() {
	defer close(s.done)
	var b [codec.MaxPacketLength]byte
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(b[:])
		if err != nil {
			// An ICMP message isn't the end.
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		if a := s.answer(b[:n], from); a != nil {
			_, _ = s.conn.WriteToUDPAddrPort(a, from)
		}
	}
}

// answer is the answer to a datagram; nil: none, as for whoever doesn't know the
// secret.
func (s *Server) answer(b []byte, from netip.AddrPort) []byte {
	p, err := codec.Parse(b, s.cfg.Secret)
	if err != nil {
		return nil
	}
	b = b[:int(b[2])<<8|int(b[3])]
	if !s.authentic(p, b) {
		s.cfg.Saw(fmt.Sprintf("%v from %v: made with another secret, or not signed", p.Code, from))
		return nil
	}
	key := request{from, p.Identifier, p.Authenticator}
	if a, ok := s.answers[key]; ok && time.Now().Before(a.until) {
		return a.octets
	}
	var octets []byte
	if p.Code == codec.CodeAccountingRequest {
		octets, err = s.account(p).Encode()
	} else {
		s.mu.Lock()
		s.asked++
		s.mu.Unlock()
		octets, err = s.sign(s.login(p))
	}
	if err != nil {
		s.cfg.Saw(fmt.Sprintf("%v from %v: %v", p.Code, from, err))
		return nil
	}
	s.sweep()
	s.answers[key] = answer{octets, time.Now().Add(remembered)}
	return octets
}

// authentic says whether a request comes from somebody with the secret.
func (s *Server) authentic(p *codec.Packet, b []byte) bool {
	switch p.Code {
	case codec.CodeAccessRequest:
		present, ok := radius.CheckMessageAuthenticator(b, p.Authenticator, s.cfg.Secret)
		return ok || !present && s.cfg.Unsigned
	case codec.CodeAccountingRequest:
		return codec.IsAuthenticRequest(b, s.cfg.Secret)
	}
	return false
}

func (s *Server) sign(a *codec.Packet) ([]byte, error) {
	if s.cfg.Unsigned {
		return a.Encode()
	}
	return radius.Sign(a)
}

// sweep forgets what is too old.
func (s *Server) sweep() {
	now := time.Now()
	if len(s.answers) >= swept {
		for k, a := range s.answers {
			if now.After(a.until) {
				delete(s.answers, k)
			}
		}
	}
	if len(s.pending) >= swept {
		for k, q := range s.pending {
			if now.After(q.until) {
				delete(s.pending, k)
			}
		}
	}
}

// account keeps a record.
func (s *Server) account(p *codec.Packet) *codec.Packet {
	high := func(t codec.Type) uint64 { n, _ := codec.Integer(p.Get(t)); return uint64(n) }
	r := radius.Record{
		Kind: rfc2866.AcctStatusType_Get(p), ID: rfc2866.AcctSessionID_GetString(p), User: rfc2865.UserName_GetString(p),
		Duration: time.Duration(rfc2866.AcctSessionTime_Get(p)) * time.Second,
		In:       high(rfc2869.AcctInputGigawords_Type)<<32 + high(rfc2866.AcctInputOctets_Type),
		Out:      high(rfc2869.AcctOutputGigawords_Type)<<32 + high(rfc2866.AcctOutputOctets_Type),
		Cause:    rfc2866.AcctTerminateCause_Get(p),
	}
	r.Address, _ = netip.AddrFromSlice(rfc2865.FramedIPAddress_Get(p).To4())
	r.Peer, _ = netip.ParseAddr(rfc2865.CallingStationID_GetString(p))
	s.cfg.Saw(fmt.Sprintf("%v (%v) of %q", p.Code, r.Kind, r.User))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records = append(s.records, r)
	return p.Response(codec.CodeAccountingResponse)
}
