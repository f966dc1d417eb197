package ike

import (
	"context"
	"crypto"
	"log/slog"
	"net/netip"
	"time"

	"postern/ike/isakmp"
)

// Mode is the exchange that begins an SA.
type Mode uint8

const (
	Main       Mode = iota // RFC 2409, section 5: identities are encrypted
	Aggressive             // three messages, identities in clear
)

func (m Mode) String() string {
	if m == Aggressive {
		return "aggressive mode"
	}
	return "main mode"
}

// Config says how an SA is made and what is done with what the peer begins. It
// isn't changed after it was given to Dial or Accept, and one serves for many SAs.
type Config struct {
	Mode      Mode                // of Dial; Accept takes the initiator's if Modes allows it
	Modes     []Mode              // of Accept; empty: both
	Methods   []isakmp.AuthMethod // offered, or taken; empty: AuthPSK
	Proposals []Proposal          // strongest first; Aggressive Mode: all of one group
	Lifetime  time.Duration       // offered; the shorter of both ends' counts

	// Identity is our IDii or IDir; of type 0 it is the address we speak from.
	Identity isakmp.ID
	// PeerIdentity, if not nil, judges the peer's identity once it is authenticated.
	PeerIdentity func(isakmp.ID) error

	Secret []byte // Dial: the pre-shared key
	// Groups, for Accept, are whose pre-shared keys to try for a peer. More than
	// sixteen aren't tried. It isn't asked under the methods without such a key.
	Groups func(Hello) []Group

	// Credentials are our keys for the methods with signatures and RSA encryption.
	// The first that fits the method counts. Accept takes no method that has none.
	Credentials []Credential
	// AlwaysSendCertificate sends our certificates to a peer that didn't ask, too.
	AlwaysSendCertificate bool
	// Authorities are the DER encoded names of those whose certificates we ask the
	// peer for; none: anybody's.
	Authorities [][]byte
	// Verify judges a peer's certificates, holds its identity against them, and
	// returns the public key (*rsa.PublicKey, *ecdsa.PublicKey, *dsa.PublicKey) that
	// it must sign with. Nothing but what phase 1 itself takes was sent by then. It
	// is called for messages that anybody may have sent, and it must be quick:
	// phase 1 waits for it. Needed where the peer signs or its public key encrypts.
	Verify func(Evidence) (crypto.PublicKey, error)
	// PeerCertificate is the responder's certificate, DER encoded, which Dial needs
	// beforehand for the methods of RSA encryption.
	PeerCertificate []byte
	// MinKeyBits is the shortest modulus of a peer's RSA or DSS key; 0: 1024.
	MinKeyBits int

	// FragmentSize is the largest IP packet that an IKE message may make before it
	// goes in fragments to a peer that takes them; 0: 1280; negative: we neither take
	// nor make any.
	FragmentSize int

	NATTraversal   NATTraversal
	InitialContact bool // tell the peer that we remember no other SA with it
	// VendorIDs are announced beside those of what this package speaks itself.
	VendorIDs [][]byte
	// Prelude, if not nil, runs between the first message and its answer: of Dial
	// beside the waiting for it, in a goroutine of its own that ends before Dial
	// returns; of Accept before it is sent, for as long as it takes. Its error ends
	// phase 1; where Accept's does, the peer is told AUTHENTICATION-FAILED.
	Prelude func(context.Context, *Prelude) error

	// Patience is how long Dial waits for the answer to its first message; 0: 31 s.
	Patience time.Duration

	// DPD is how long a silent peer is trusted before it is probed; 0: for ever.
	DPD time.Duration
	// Alive, if not nil, is when the peer last proved to live by traffic of its own.
	Alive func() time.Time
	// Unsettled, if not nil, says that a login is under way, whose own clocks count:
	// nobody is taken for dead meanwhile, and only Probe probes, once a call. Not RFC:
	// strongSwan answers no probe before a login is over, and keeps the state of three
	// exchanges at a time (max_ikev1_exchanges): probes make it forget the login's.
	Unsettled func() bool
	// Insist has the last message of a Quick Mode sent up to twice more, and an answer to
	// a Transaction up to four times, unless something came from the peer since. Chosen
	// here: when it is lost, what follows waits until the peer repeats its own, which takes
	// strongSwan 4 s.
	Insist bool

	// Suspect, if not nil, hears that three probes in a row weren't answered, long
	// before the peer is taken for dead. It runs as Notify does.
	Suspect func(*SA)

	// Transaction answers a Transaction exchange that the peer begins (XAuth,
	// pushed Mode Config). It has a goroutine of its own and may take its time: no
	// repeat of the request reaches it. A nil answer leaves the request unanswered.
	Transaction func(context.Context, *SA, isakmp.Configuration) *isakmp.Configuration
	// Quick says what to take from a Quick Mode that the peer begins. An error
	// refuses it with NO-PROPOSAL-CHOSEN or the NotifyError it is.
	Quick func(context.Context, *SA, QuickOffer) (*ChildConfig, error)
	// Notify and Deleted hear what the peer says in authenticated messages. They run
	// in the SA's own goroutine: they must not block, nor call any of its methods
	// but Info, Path and Follow. Deleted isn't called for the SA itself. By mistake
	// some peers name the SPI that we chose instead of theirs.
	Notify  func(*SA, isakmp.Notify)
	Deleted func(*SA, isakmp.Delete)

	// Alter, if not nil, may change each message before it is encrypted and sent, for
	// gateways that misbehave on purpose. It runs in the goroutine of the exchange.
	Alter func(*Outgoing)

	Log    *slog.Logger // nil: nothing is logged
	KeyLog *KeyLog      // nil: keys are told nobody
}

// Hello is what a responder knows of an initiator when it needs the key.
type Hello struct {
	Remote   netip.AddrPort
	Identity *isakmp.ID // nil in Main Mode, where it is behind the encryption
	Method   isakmp.AuthMethod
}

// Group is whose pre-shared key a responder may find behind a peer.
type Group struct {
	Name   string
	Secret []byte
}

// maxGroups is how many pre-shared keys are tried on one message.
const maxGroups = 16

func (c *Config) methods() []isakmp.AuthMethod {
	if len(c.Methods) == 0 {
		return []isakmp.AuthMethod{isakmp.AuthPSK}
	}
	return c.Methods
}

func (c *Config) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}
