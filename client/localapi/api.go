// Package localapi is how programs of this machine talk to postern's daemon: HTTP and
// JSON over a Unix socket (a named pipe on Windows).
//
//	api.go            the calls and what they carry
//	status.go         a connection, as it is told
//	reason.go         why something didn't work
//	octets.go         octets that may be secret
//	diagnosis.go      probe and doctor
//	server.go         the daemon's end, over a Backend: whom it serves, what it refuses
//	calls.go          each call; stream.go those that last; metrics.go for Prometheus
//	request.go        a request's body, read strictly; fields.go how
//	listener.go       connections counted; peer_*.go whose they are
//	client.go         the caller's end; message.go a request that is sent
//	socket.go         where the two meet; socket_*.go on each system
//	openapi.json      the same calls for other languages
package localapi

import (
	"context"
	"time"
)

const (
	// MaxMessage bounds a request's body, in octets. Chosen here.
	MaxMessage = 64 << 10
	// Host is what requests name in their Host header, or nothing: a web page that a
	// browser was led to can't. Chosen here.
	Host = "postern"
	// Group has the people who may control system profiles.
	Group = "postern"
)

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

// ProfilesReply lists profiles.
type ProfilesReply struct {
	Schema   int           `json:"schema"` // 1
	Profiles []ProfileInfo `json:"profiles"`
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

// VersionReply says which daemon answers.
type VersionReply struct {
	Schema  int    `json:"schema"` // 1
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// Caller is who asks, as the kernel says.
type Caller struct {
	UID  uint32   // 0 is root, or one of Windows' administrators
	GIDs []uint32 // the primary one and the supplementary ones
	PID  int32
	Name string // of the user, or the number
}

// Backend is the daemon behind the calls. All methods may be called concurrently. An
// error that is a *Reason reaches the caller as it is; of another one the caller reads
// the text. A request is well-formed: names are short and without control characters,
// one of two alternatives is there. When the method returns its context ends and the
// request's Octets are cleared, so that whoever needs them for longer copies them.
type Backend interface {
	// Snapshot returns what the caller may know, and a channel that is closed at the
	// next change. Counters alone are no change: who watches asks once a second while
	// a tunnel is up.
	Snapshot(Caller) (Snapshot, <-chan struct{})
	Profiles(Caller) ([]ProfileInfo, error)
	Connect(context.Context, Caller, ConnectRequest) (ConnectReply, error)
	Disconnect(context.Context, Caller, TunnelRequest) error
	Reconnect(context.Context, Caller, TunnelRequest) error
	Answer(context.Context, Caller, AnswerRequest) error
	// Log calls line for each line that the caller may read, until ctx ends or, without
	// Follow, there are no more. line may block for as long as the caller doesn't read;
	// an error from it ends Log.
	Log(ctx context.Context, c Caller, r LogRequest, line func(LogLine) error) error
	Probe(context.Context, Caller, ProbeRequest) (*ProbeReport, error)
	Doctor(context.Context, Caller, DoctorRequest) (*DoctorReport, error)
}
