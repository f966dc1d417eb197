package localapi

import (
	"net/netip"
	"time"

	"postern/client/prompt"
)

// State is where a connection stands.
type State string

const (
	Down            State = "down"
	Resolving       State = "resolving"         // the gateway's name
	Connecting      State = "connecting"        // phase 1
	Authenticating  State = "authenticating"    // XAuth
	WaitingForInput State = "waiting_for_input" // of a person
	Configuring     State = "configuring"       // Mode Config, Quick Mode, routes
	Up              State = "up"
	Rekeying        State = "rekeying"
	Reconnecting    State = "reconnecting"
	Failed          State = "failed"
)

// Status is one snapshot of a connection, always whole. What isn't known yet is
// absent.
type Status struct {
	Schema  int       `json:"schema"` // 1
	Profile string    `json:"profile"`
	State   State     `json:"state"`
	Since   time.Time `json:"since"` // of the state
	Reason  *Reason   `json:"reason,omitempty"`
	// Prompt is what a person is asked, in WaitingForInput. There is no secret in it
	// but what the gateway says itself: a PIN that it chose is in its message.
	Prompt *prompt.Prompt `json:"prompt,omitempty"`

	Gateway *GatewayStatus `json:"gateway,omitempty"`
	IKE     *IKEStatus     `json:"ike,omitempty"`
	Tunnel  *TunnelStatus  `json:"tunnel,omitempty"`
	SAs     []SAStatus     `json:"sas,omitempty"`
	Traffic *TrafficStatus `json:"traffic,omitempty"`

	VPN5000 *VPN5000Status `json:"vpn5000,omitempty"`

	Warnings []string `json:"warnings,omitempty"`
}

// GatewayStatus is whom we talk to.
type GatewayStatus struct {
	Name    string         `json:"name"`
	Address netip.AddrPort `json:"address"`
}

// IKEStatus is what phase 1 agreed on.
type IKEStatus struct {
	Mode           string    `json:"mode"`
	Proposal       string    `json:"proposal"`
	Authentication string    `json:"authentication"`
	Peer           string    `json:"peer"`
	Vendors        []string  `json:"vendors,omitempty"`
	NAT            string    `json:"nat"` // "none", "us", "gateway", "both"
	Since          time.Time `json:"since"`
	Expires        time.Time `json:"expires,omitzero"`
	// Certificate is the gateway's, where it has one.
	Certificate *CertificateStatus `json:"certificate,omitempty"`
}

// CertificateStatus is a certificate in short.
type CertificateStatus struct {
	Subject     string    `json:"subject"`
	Issuer      string    `json:"issuer"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Fingerprint string    `json:"fingerprint"` // "sha256:…" of the certificate
}

// TunnelStatus is what the tunnel carries, and where.
type TunnelStatus struct {
	Since         time.Time      `json:"since"`
	Interface     string         `json:"interface,omitempty"` // "" without privileges
	Address       netip.Addr     `json:"address"`
	MTU           int            `json:"mtu"`
	Encapsulation string         `json:"encapsulation"` // "udp" or "esp"
	Networks      []netip.Prefix `json:"networks"`
	Exclude       []netip.Prefix `json:"exclude,omitempty"`
	Overlaps      []Overlap      `json:"overlaps,omitempty"` // networks of this machine's own that are behind the gateway too
	Rule          string         `json:"rule"`               // which rule made the networks
	DNS           []netip.Addr   `json:"dns,omitempty"`
	Domains       []string       `json:"domains,omitempty"`   // both of the next two
	Search        []string       `json:"search,omitempty"`    // that complete short names, the gateway's default one last
	SplitDNS      []string       `json:"split_dns,omitempty"` // that alone are asked of DNS; none: all names are
	NBNS          []netip.Addr   `json:"nbns,omitempty"`      // NetBIOS name servers
	Resolver      string         `json:"resolver,omitempty"`
	Banner        string         `json:"banner,omitempty"`
	Proxy         string         `json:"proxy,omitempty"` // SOCKS5 and HTTP
	Forwards      []string       `json:"forwards,omitempty"`
	SavePassword  bool           `json:"save_password,omitempty"` // the gateway lets it be kept, or has no say in it, and administrators do
}

// Overlap is a network of this machine's own interfaces that has addresses of one behind
// the gateway.
type Overlap struct {
	Local  netip.Prefix `json:"local"`
	Tunnel netip.Prefix `json:"tunnel"`
	Inside bool         `json:"inside"` // packets to what is in both go into the tunnel
	// Chosen: the profile says so, by local_lan, or by networks that have the local one.
	Chosen bool `json:"chosen"`
}

// SAStatus is one pair of ESP SAs.
type SAStatus struct {
	Inbound  string       `json:"inbound"` // SPI in hex
	Outbound string       `json:"outbound"`
	Suite    string       `json:"suite"`
	Local    string       `json:"local"` // selectors
	Remote   string       `json:"remote"`
	Since    time.Time    `json:"since"`
	Rekey    time.Time    `json:"rekey,omitzero"`
	Expires  time.Time    `json:"expires,omitzero"`
	In       TrafficCount `json:"in"`
	Out      TrafficCount `json:"out"`
}

// TrafficStatus counts inner packets since the tunnel came up.
type TrafficStatus struct {
	In  TrafficCount `json:"in"`
	Out TrafficCount `json:"out"`
}

// TrafficCount counts one direction.
type TrafficCount struct {
	Packets uint64            `json:"packets"`
	Octets  uint64            `json:"octets"`
	Dropped map[string]uint64 `json:"dropped,omitempty"` // by reason; those that are 0 left out
}

// VPN5000Status is what a VPN 5000's policy says beside addresses and networks.
type VPN5000Status struct {
	RADIUS       string        `json:"radius,omitempty"` // how the password travelled
	SaveSecrets  bool          `json:"save_secrets"`
	IPXRefused   bool          `json:"ipx_refused,omitempty"` // the gateway wanted IPX in the tunnel
	ExcludeLAN   bool          `json:"exclude_local_lan,omitempty"`
	Keepalive    time.Duration `json:"keepalive_ns,omitempty"`
	Inactivity   time.Duration `json:"inactivity_ns,omitempty"`
	Backup       []string      `json:"backup,omitempty"`
	LeastVersion string        `json:"least_version,omitempty"`
}
