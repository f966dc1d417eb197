package stamp

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
)

// Outcome is what a RADIUS or SecurID server decides.
type Outcome uint8

const (
	Rejected Outcome = iota
	Accepted
	Challenged // it wants to know more
)

// Credentials are what a client gave in the RADIUS step, as a RADIUS client sends
// it on. They are good until Authenticate returns.
type Credentials struct {
	User     string
	Method   Method
	Remote   netip.AddrPort
	Password []byte // PAP and Challenge; empty: the null password that Challenge begins with
	State    any    // of the Result before, with Challenge; nil with the first

	// CHAP: as RADIUS wants it in CHAP-Password and CHAP-Challenge (RFC 2865,
	// sections 5.3 and 5.40).
	CHAPIdentifier uint8
	CHAPResponse   []byte
	CHAPChallenge  []byte
}

// Result is what came of them.
type Result struct {
	Outcome   Outcome
	Message   string     // Reply-Message: shown to the user; may be empty
	State     any        // Challenged: for the next Credentials
	Group     string     // Accepted: CVPN5000-VPN-GroupInfo; may be empty
	SharedKey []byte     // Accepted: CVPN5000-VPN-Password, the user's key of IKE; may be nil
	Address   netip.Addr // Accepted: Client-Assigned-IP; may be invalid
}

// Authenticate asks a RADIUS server. An error means that there was no answer. It
// may be called by several goroutines at once.
type Authenticate func(context.Context, Credentials) (Result, error)

// Login is who a RADIUS step let in.
type Login struct {
	User string
	Result
}

// Verdict is what a SecurID server says to an Answer.
type Verdict struct {
	Outcome  Outcome
	Question Question // Challenged: what it wants to know next
	Message  string   // shown to the user; may be empty
	State    any      // given back with the next Answer
}

// Verify asks a SecurID server. An error means that there was no answer. It may be
// called by several goroutines at once, and mustn't keep the Answer.
type Verify func(ctx context.Context, user string, a Answer, state any) (Verdict, error)

// Server is the concentrator's half. It isn't changed once it is in use, and
// serves any number of clients at the same time.
type Server struct {
	Method       Method // ChallengeType
	Secret       []byte // PAPAuthSecret; CHAP can do without
	Authenticate Authenticate
	Verify       Verify

	Patience time.Duration // that a client has, with a person behind it; 0: 5 min
	Log      *slog.Logger  // nil: nothing is logged
}

func (s *Server) log() *slog.Logger {
	if s.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return s.Log
}

func (s *Server) patience() time.Duration {
	if s.Patience == 0 {
		return clientPatience
	}
	return s.Patience
}

// Ride carries policy and receipt on the connection's first Quick Mode. policy
// makes what the client is told; received is given the receipt, verified.
func Ride(sa *ike.SA, policy func() (*Policy, error), received func(*Receipt)) *ike.Ride {
	return &ike.Ride{
		// <--  HDR*, HASH(2), SA, Nr, STAMP(policy)
		Answer: func() ([]isakmp.Payload, error) {
			p, err := policy()
			if err != nil {
				return nil, err
			}
			if err := p.check(); err != nil {
				return nil, err
			}
			p.digest = digestOf(sa.Info().FirstReceived)
			return []isakmp.Payload{{Type: PayloadSTAMP, Body: p.marshal()}}, nil
		},
		// HDR*, HASH(3), STAMP(receipt)  -->
		Settle: func(b *ike.QuickBinding, found []isakmp.Payload) error {
			body := find(found, PayloadSTAMP)
			if body == nil { // HASH's own header, which HASH(3) vouches for, says that nothing follows
				return ike.Final(ErrReceipt)
			}
			r, err := parseReceipt(body, func(covered []byte) []byte { return b.Prove(labelReceipt, covered) })
			if err != nil {
				return fmt.Errorf("%w: %w", ErrReceipt, err) // perhaps a bit that turned on the way
			}
			if err := checkDigest(r.digest, sa.Info().FirstSent); err != nil {
				return ike.Final(err)
			}
			received(r)
			return nil
		},
	}
}
