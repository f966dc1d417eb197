package concentrator

import (
	"crypto/x509"
	"net/netip"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
	"postern/ike/pki"
)

// Config is what a configuration file says. It isn't changed after it was given
// to New.
type Config struct {
	Address  []netip.Addr  // outside; none: all of the machine's IPv4 addresses
	Inside   netip.Prefix  // the gateway's own address behind the tunnel; may be invalid
	Identity isakmp.ID     // of phase 1; of type 0 it is the outside address
	Modes    []ike.Mode    // none: both
	DPD      time.Duration // how long a silent client is trusted; 0: for ever

	Protection []ike.Proposal // of phase 1, strongest first
	Lifetime   time.Duration  // of phase 1

	// Paths are the files of what follows. Credentials are our keys with their
	// certificates; Trust is by whom clients' are judged.
	Paths       Paths
	Credentials []ike.Credential
	Trust       pki.Verifier

	Authentication Authentication // of groups that name none
	RADIUS         *RADIUS        // nil: none
	SecurID        *SecurID       // nil: none

	Groups map[string]*Group
	Users  map[string]*User
}

// ModeConfig is who begins the assignment of an inner address.
type ModeConfig uint8

const (
	ModeConfigPull ModeConfig = iota // the client asks
	ModeConfigPush                   // the gateway tells
	ModeConfigOff                    // nobody: the client knows its address
)

func (m ModeConfig) String() string {
	switch m {
	case ModeConfigPush:
		return "push"
	case ModeConfigOff:
		return "off"
	}
	return "pull"
}

// Group is what its users have in common.
type Group struct {
	Name      string
	SharedKey []byte         // of phase 1; empty: each user has one
	Methods   []Method       // of phase 1; none: MethodSharedKey
	Peers     []netip.Prefix // where its clients come from; none: anywhere
	CAFiles   []string
	CA        []*x509.Certificate // one of them stands above its clients; none: one of Config.Trust
	XAuth     bool                // users prove who they are after phase 1

	Authentication *Authentication // who judges passwords; nil: Config.Authentication
	SecurID        bool            // a passcode is wanted beside the password

	Transform []ike.ESPProposal // strongest first
	PFS       isakmp.Group      // 0: as the client likes
	Lifetime  time.Duration     // of a child SA
	Octets    uint64            // a child SA may carry in a direction; 0: any number
	Idle      time.Duration     // without traffic a session ends; 0: it doesn't

	ModeConfig     ModeConfig
	StartIPAddress netip.Addr   // of the pool; invalid: no pool
	MaxConnections int          // addresses in the pool
	Network6       netip.Prefix // where its clients have IPv6 addresses beside theirs of IPv4; invalid: nowhere

	Networks    []netip.Prefix // behind the gateway; none: everything
	Exclude     []netip.Prefix // what the client shall reach without the tunnel
	DNS, WINS   []netip.Addr
	SplitDNS    []string
	Domain      string
	Banner      string
	Backup      []string // other gateways
	SaveSecrets bool

	// Of VPN 5000 clients alone.
	ExcludeLAN bool          // the networks of a client's own interfaces stay outside
	MinVersion string        // of the client; shown to its user
	Keepalive  time.Duration // 0: the client's own
	IPXNet     string        // not empty: the client shall tunnel IPX, which it refuses
}

// User is somebody of a group.
type User struct {
	Name            string
	Group           string
	SharedKey       []byte // of phase 1; empty: the group's
	CertificateFile string
	Certificate     *x509.Certificate // for RSA encryption; nil: none
	Password        []byte            // of XAuth; empty: none fits
	Address         netip.Addr        // inner; invalid: one of the pool
}

// What counts where a file is silent.
const (
	defaultIKELifetime = 8 * time.Hour
	defaultESPLifetime = time.Hour
	defaultDPD         = 30 * time.Second
	maxPool            = 1 << 16 // addresses
)

var (
	defaultProtection = []string{"aes256-sha256-modp2048", "aes128-sha1-modp2048"}
	defaultTransform  = []string{"aes256-sha256", "aes128-sha1"}
)
