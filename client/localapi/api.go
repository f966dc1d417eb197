// Package localapi is how programs of this machine talk to postern's daemon: HTTP and
// JSON over a Unix socket (a named pipe on Windows).
//
// Files: api.go the calls and what they carry; status.go and reason.go what a connection
// is told in; server.go the daemon's end, over a Backend; client.go the caller's end;
// peer_*.go who a caller is. The same calls are described for other languages in
// openapi.json.
package localapi

import (
	"context"
	"time"
)

// MaxMessage bounds a request's body, in octets. Chosen here.
const MaxMessage = 64 << 10

// Snapshot is everything that a caller may know, always whole.
type Snapshot struct {
	Schema  int      `json:"schema"` // 1
	Version string   `json:"version"`
	Mode    Mode     `json:"mode"`
	Control bool     `json:"control"` // whether the caller may connect and disconnect
	Tunnels []Tunnel `json:"tunnels"` // by ID
}

// Mode is what kind of daemon answers.
type Mode string

const (
	ModeSystem Mode = "system" // the host's network, many people
	ModeUser   Mode = "user"   // without privileges, for one person: netstack and proxy
	ModeDemo   Mode = "demo"   // likewise, with a gateway of its own to try
)

// Tunnel is one connection and whose it is.
type Tunnel struct {
	// ID names it to the daemon: the profile's name for a system profile,
	// "UID:NAME" for a person's own.
	ID    string `json:"id"`
	Owner string `json:"owner,omitempty"` // the person's name; "" for a system profile
	Status
}

// ProfileInfo is a profile that the daemon knows: a system profile. A person's own
// profiles are read by their own programs.
type ProfileInfo struct {
	Name        string `json:"name"`
	Gateway     string `json:"gateway"`
	Autoconnect bool   `json:"autoconnect,omitempty"`
	Problem     string `json:"problem,omitempty"` // why it can't be used
}

// Document is a person's own profile, as their own program read it: the daemon opens
// no path of a person's.
type Document struct {
	Name string `json:"name"`
	// TOML is the profile without its secrets. It names no files.
	TOML string `json:"toml"`
	// Secrets are by key: "secret", "password", "otp_secret", "key_passphrase",
	// "pap_auth_secret". The pre-shared key is decoded already.
	Secrets map[string]Octets `json:"secrets,omitempty"`
	// Files are what the profile's files hold, by key: "certificate", "key", "ca",
	// "gateway_certificate", "crl.0", "crl.1" and so on.
	Files map[string]Octets `json:"files,omitempty"`
}

// ConnectRequest asks for a connection: by a system profile's name, or with a person's
// own profile.
type ConnectRequest struct {
	Profile  string    `json:"profile,omitempty"`
	Document *Document `json:"document,omitempty"`
	NoPrompt bool      `json:"no_prompt,omitempty"` // what isn't stored is an error
	// Secrets are what this once is used in place of what is stored, by key as in
	// Document; for a system profile's user and password too.
	Secrets map[string]Octets `json:"secrets,omitempty"`
	// Of a daemon without privileges:
	Proxy    string   `json:"proxy,omitempty"`    // where the SOCKS5 and HTTP proxy listens
	Forwards []string `json:"forwards,omitempty"` // "8080:10.20.0.1:80"
}

// ConnectReply names the connection that was begun. How it goes is in the snapshots.
type ConnectReply struct {
	ID string `json:"id"`
}

// TunnelRequest names a connection, by its ID or by its profile's name: the caller's own
// comes before a system profile's. All is every one that the caller may control.
type TunnelRequest struct {
	Tunnel string `json:"tunnel,omitempty"`
	All    bool   `json:"all,omitempty"`
}

// AnswerRequest answers a prompt of a connection.
type AnswerRequest struct {
	Tunnel  string            `json:"tunnel"`
	Prompt  uint64            `json:"prompt"` // its ID: an answer to an older one is refused
	Answers map[string]Octets `json:"answers,omitempty"`
	Cancel  bool              `json:"cancel,omitempty"`
}

// LogLine is a line of the daemon's log.
type LogLine struct {
	Time    time.Time         `json:"time"`
	Level   string            `json:"level"` // "debug", "info", "warn", "error"
	Tunnel  string            `json:"tunnel,omitempty"`
	Message string            `json:"message"`
	Attrs   map[string]string `json:"attrs,omitempty"`
}

// LogRequest chooses lines of the log.
type LogRequest struct {
	Tunnel string `json:"tunnel,omitempty"`
	Follow bool   `json:"follow,omitempty"`
}

// Caller is who asks, as the kernel says.
type Caller struct {
	UID  uint32
	GIDs []uint32
	PID  int32
	Name string // of the user, or the number
}

// Backend is the daemon behind the calls. All methods may be called concurrently. An
// error that is a *Reason reaches the caller as it is.
type Backend interface {
	// Snapshot returns what the caller may know, and a channel that is closed at the
	// next change.
	Snapshot(Caller) (Snapshot, <-chan struct{})
	Profiles(Caller) ([]ProfileInfo, error)
	Connect(context.Context, Caller, ConnectRequest) (ConnectReply, error)
	Disconnect(context.Context, Caller, TunnelRequest) error
	Reconnect(context.Context, Caller, TunnelRequest) error
	Answer(context.Context, Caller, AnswerRequest) error
	// Log calls line for each line that the caller may read, until ctx ends or, without
	// Follow, there are no more.
	Log(ctx context.Context, c Caller, r LogRequest, line func(LogLine) error) error
	Probe(context.Context, Caller, ProbeRequest) (*ProbeReport, error)
	Doctor(context.Context, Caller, DoctorRequest) (*DoctorReport, error)
}
