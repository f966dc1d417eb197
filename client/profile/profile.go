// Package profile reads what a user configured about one gateway: a TOML file
// with one flat table, and the table [lifetime].
//
// Files: profile.go and certificates.go the model; find.go and load.go where profiles lie and who
// may read them; keys.go, parse.go and convert.go from TOML to the model;
// proposal.go and label.go algorithms; address.go hosts, networks, identities;
// secret.go and secrets.go pre-shared keys and passwords; weak.go what deserves
// a warning; marshal.go from the model to TOML, store.go folders of profiles,
// parts.go a profile for another process.
//
// Values of features that this version doesn't have are known, so that a profile
// can be carried between versions, and refused with "not yet".
package profile

import (
	"net/netip"
	"time"
)

// Profile is one connection as its user configured it. Fields are named after
// the keys. Parse and Load return it complete and checked: absent keys have
// their defaults. It isn't safe for concurrent writes; nothing in it is shared
// with another Profile.
type Profile struct {
	// File is the path that Load read; "" for a profile that wasn't a file.
	File string

	// Name (name) is what the user calls the connection, 1 to 64 letters,
	// digits, blanks and "._-@+", the first one a letter or digit. Default:
	// the file's name without ".toml".
	Name string

	// Gateway (gateway) is a host name or address, with ":port" where it
	// isn't 500; an IPv6 address with a port stands in brackets. Required.
	Gateway Gateway

	// Backup (backup) are further gateways, in order: dialled when the one before
	// doesn't answer, and the only ones that a gateway may send us to.
	Backup []Gateway

	// Mode (mode) is the phase 1 exchange: "main" (default) or "aggressive".
	Mode Mode

	// Identity (identity) is our phase 1 identity, up to 255 octets. "" is
	// our own address, which is known when the socket is.
	Identity string

	// IdentityType (identity_type) is "key-id", "fqdn", "user-fqdn",
	// "address" or "dn". Absent, it follows from the identity: an IP address
	// is "address", text with "@" is "user-fqdn", all else "key-id", which
	// is what Cisco's gateways call a group. With "dn" the identity is the
	// distinguished name's DER in hexadecimal. It is TypeAddress when
	// Identity is "", and with a certificate of ours TypeDN, which then is the
	// certificate's subject.
	IdentityType IdentityType

	// GatewayIdentity (gateway_identity) is what the gateway must call itself
	// in phase 1; "" takes any name that its authentication vouches for.
	GatewayIdentity string

	// Auth (auth) is how phase 1 authenticates: "psk" (default), "rsa", "dss", "ecdsa",
	// "hybrid", "rsa-encryption" or "rsa-revised".
	Auth Auth

	// Secret (secret) is the pre-shared key, decoded as SecretEncoding says.
	// nil until Sources.Resolve found one elsewhere.
	Secret Secret

	// SecretEncoding (secret_encoding) is how the key is written, here and
	// in every other source: "text" (default), "hex" or "base64".
	SecretEncoding Encoding

	// SecretFile (secret_file) is a file with the pre-shared key in place of
	// secret. Relative paths start at the profile's folder; one newline at
	// the end isn't part of the key.
	SecretFile string

	// Certificate (certificate) is a file with our certificate and, if the gateway
	// needs them, those of the authorities above it: PEM, DER, PKCS #7 or PKCS #12.
	// Key (key) is the file of the private key; "" (default): it is in the
	// certificate's file. Either may be the "pkcs11:" URI of an object in a token
	// instead (RFC 7512); without a certificate the token's for the key counts.
	Certificate, Key string

	// KeyPassphrase (key_passphrase) opens the private key's file, or is the token's
	// PIN. nil until Sources.Resolve found one elsewhere; asked for when it is needed.
	KeyPassphrase Secret

	// KeyPassphraseFile (key_passphrase_file) is to key_passphrase what SecretFile is
	// to secret.
	KeyPassphraseFile string

	// CA (ca) is a file with the authorities that are trusted to know the gateway;
	// CRL (crl) are files with their revocation lists. GatewayCertificate
	// (gateway_certificate) is the gateway's own certificate, GatewayPin (gateway_pin)
	// the SHA-256 of its certificate or of its public key, "sha256:" and hexadecimal
	// digits. What is there has to hold, all of it. With none of them a person is
	// asked once whether the fingerprint is right.
	//
	// Where only CA says whom to trust, the certificate has to name the gateway:
	// GatewayIdentity, or else Gateway's host.
	CA, GatewayCertificate, GatewayPin string
	CRL                                []string

	// Certificates (the table [certificates]) is what is allowed for old gateways.
	Certificates Certificates

	// Files are the contents of the files above.
	Files Files

	// XAuth (xauth) says whether the gateway asks for a user after phase 1:
	// true (default: that it doesn't is an error), false, or "optional".
	XAuth XAuth

	// User (user) is the XAuth user name; "" is asked for.
	User string

	// Password (password) is the XAuth password. nil until Sources.Resolve
	// found one elsewhere, and asked for when it found none.
	Password Secret

	// PasswordFile (password_file) is to password what SecretFile is to secret.
	PasswordFile string

	// Domain (domain) is the XAuth domain, sent when the gateway asks for one.
	Domain string

	// OTP (otp) is how one-time codes are made here: "totp" (RFC 6238), which answer
	// what asks for a passcode; "otp" (RFC 2289) or "skey" (S/KEY), which answer
	// the gateway's challenge. "" (default): they are asked for.
	OTP string

	// OTPSecret (otp_secret) is what they are made of. For "totp" it is the seed in
	// base32, or the otpauth URI behind its QR code, which may have other digits,
	// period or algorithm than 6, 30 s and SHA-1. For "otp" and "skey" it is the
	// pass phrase; without one it is asked for, and never sent. nil until
	// Sources.Resolve found one elsewhere.
	OTPSecret Secret

	// OTPSecretFile (otp_secret_file) is to otp_secret what SecretFile is to secret.
	OTPSecretFile string

	// VPN5000 (vpn5000) says whether to speak the VPN 5000 concentrator's own
	// exchanges: "off" (default), "auto" (with a gateway that announces them) or
	// "required". It knows other ways to log in, so that xauth is then false unless
	// the profile says otherwise; so it is with radius.
	VPN5000 string

	// RADIUS (radius) is how the user's password travels in the VPN 5000's RADIUS
	// step before phase 1: "pap", "chap" or "challenge", no other one is answered;
	// "" (default) answers none. PAPAuthSecret (pap_auth_secret) is the secret that
	// protects it, which only "chap" can do without; it may come from elsewhere. The identity is the user's
	// name, of type "key-id" unless the profile says otherwise.
	RADIUS        string
	PAPAuthSecret Secret

	// Vendor (vendor) is whose gateway this is, where that can't be told from
	// its vendor IDs: "auto" (default), "cisco", "checkpoint", "netscreen" or
	// "fortigate". Not yet: "sonicwall", "nortel", "fritzbox".
	Vendor string

	// IKE (ike) are the phase 1 proposals in order of preference. Default:
	// aes256-sha256-modp2048, aes128-sha1-modp2048. Aggressive Mode can offer
	// one group only (RFC 2409, section 5.2), so all of them name the same.
	IKE []IKEProposal

	// ESP (esp) are the phase 2 proposals in order of preference. Default:
	// aes256-sha256, aes128-sha1.
	ESP []ESPProposal

	// PFS (pfs) is a Diffie-Hellman exchange in Quick Mode: "off" (default),
	// "auto" (when the gateway's Mode Config asks for it, with the group of
	// phase 1) or a group's name. A group at the end of the esp proposals
	// means the same and appears here.
	PFS string

	// Selectors (selectors) are what Quick Mode asks for: "any" (our address
	// to 0.0.0.0/0, one pair of SAs), "each" (one pair for every network) or
	// "auto" (default: "any" with a Cisco Unity gateway, else "each").
	Selectors string

	// NATTraversal (nat_traversal) is UDP encapsulation: "auto" (default:
	// when there is a NAT), "force" or "off".
	NATTraversal string

	// SourcePort (source_port) is our UDP port before the float to 4500:
	// 0 (default) is a random one, 500 the only other.
	SourcePort uint16

	// Address (address) is our address inside the tunnel, for gateways that
	// assign none; Mode Config isn't asked for then. The zero Addr is unset.
	Address netip.Addr

	// Networks (networks) go through the tunnel beside those that the gateway
	// pushes, Exclude (exclude) never do. CIDR; an address without a length
	// is a single host. One that is a network of our own interfaces, or a part of
	// one, goes into the tunnel all the same unless LocalLAN keeps it outside.
	Networks, Exclude []netip.Prefix

	// DefaultRoute (default_route) sends everything through the tunnel when
	// neither the gateway nor Networks names a network. Default: true.
	DefaultRoute bool

	// LocalLAN (local_lan) keeps the networks of our own interfaces outside
	// the tunnel. Default: false.
	LocalLAN bool

	// DNS (dns) uses the gateway's name servers. Default: true.
	DNS bool

	// DNSServers (dns_servers) are used in place of the gateway's, Search
	// (search) are domains beside the gateway's.
	DNSServers []netip.Addr
	Search     []string

	// MTU (mtu) is the tunnel device's, in octets, 576 to 9000; 0 (default)
	// is worked out.
	MTU int

	// DPD (dpd) is how long the gateway may be silent before it is asked
	// whether it lives (RFC 3706): "1s" to "1h", 0 or "off" is never.
	// Default: 30 s.
	DPD time.Duration

	// Interface (interface) is the tunnel device's name, up to 15 letters,
	// digits and "._-"; "" (default) lets the system choose.
	Interface string

	// Autoconnect (autoconnect) has the daemon keep a system profile connected from
	// its start on. In a person's own profile it does nothing. Default: false.
	Autoconnect bool

	// KillSwitch (kill_switch) keeps packets to the tunnel's networks, and with a
	// full tunnel all packets, from leaving the host outside of the tunnel, from
	// before the first message to the gateway until the user disconnects. Default:
	// false.
	KillSwitch bool

	// BlockIPv6 (block_ipv6) makes IPv6 unreachable while a tunnel has all of IPv4
	// and not all of IPv6. Default: false.
	BlockIPv6 bool

	// Lifetime (the table [lifetime]) is how long SAs live.
	Lifetime Lifetime

	// Policy (the table [policy]) makes this a managed profile; nil: it isn't one.
	Policy *Policy

	// Policies are all that administrators demand of the profile, whose file has but
	// one of them. Load, Open and Permit set it.
	Policies Policies
}

// Lifetime is how long SAs live, "10s" to "720h". What the gateway grants is
// used where it is shorter.
type Lifetime struct {
	IKE time.Duration // (ike) the phase 1 SA; default 8 h
	ESP time.Duration // (esp) a pair of ESP SAs; default 1 h
}

// Mode is a phase 1 exchange (RFC 2409, section 5).
type Mode string

const (
	MainMode       Mode = "main"
	AggressiveMode Mode = "aggressive"
)

// Auth is a phase 1 authentication method.
type Auth string

// AuthPSK is authentication with a pre-shared key (RFC 2409, section 5.4).
const AuthPSK Auth = "psk"

// XAuth says whether extended authentication is expected.
type XAuth string

const (
	XAuthRequired XAuth = "true"
	XAuthOff      XAuth = "false"
	XAuthOptional XAuth = "optional"
)

// What else a choice can be.
const (
	Off  = "off"  // of PFS, NATTraversal, VPN5000
	Auto = "auto" // of PFS, Selectors, NATTraversal, Vendor

	OTPTime            = "totp"     // of OTP
	Required           = "required" // of VPN5000
	RADIUSPAP          = "pap"      // of RADIUS
	RADIUSCHAP         = "chap"
	RADIUSChallenge    = "challenge"
	VendorCisco        = "cisco"
	SelectorsAny       = "any"
	SelectorsEach      = "each"
	NATTraversalForced = "force"
)

// Default returns a profile with every key's default. It isn't complete: it
// has neither name nor gateway.
func Default() *Profile {
	return &Profile{
		Mode:           MainMode,
		IdentityType:   TypeAddress,
		Auth:           AuthPSK,
		SecretEncoding: EncodingText,
		XAuth:          XAuthRequired,
		Certificates:   Certificates{MinRSABits: defaultRSABits},
		VPN5000:        Off,
		Vendor:         Auto,
		IKE: []IKEProposal{
			{Cipher: "aes", KeyBits: 256, Hash: "sha256", Group: "modp2048"},
			{Cipher: "aes", KeyBits: 128, Hash: "sha1", Group: "modp2048"},
		},
		ESP: []ESPProposal{
			{Cipher: "aes", KeyBits: 256, Integrity: "sha256"},
			{Cipher: "aes", KeyBits: 128, Integrity: "sha1"},
		},
		PFS:          Off,
		Selectors:    Auto,
		NATTraversal: Auto,
		DefaultRoute: true,
		DNS:          true,
		DPD:          30 * time.Second,
		Lifetime:     Lifetime{IKE: 8 * time.Hour, ESP: time.Hour},
	}
}

// Clear overwrites the secrets in p with zeros and forgets them.
func (p *Profile) Clear() {
	for _, s := range []*Secret{&p.Secret, &p.Password, &p.OTPSecret, &p.PAPAuthSecret, &p.KeyPassphrase, &p.Files.Certificate, &p.Files.Key} {
		s.Clear()
		*s = nil
	}
}
