package localapi

import "time"

// ProbeRequest asks what a gateway answers to.
type ProbeRequest struct {
	Host string `json:"host"` // a name or address, with ":port" where it isn't 500
	// Identity is a group's name for Aggressive Mode, which is left out without one.
	Identity string `json:"identity,omitempty"`
	// IdentityType is its form as in a profile; "": it follows from the identity, and
	// where "key-id" isn't answered "fqdn" is tried.
	IdentityType string `json:"identity_type,omitempty"`
}

// ProbeReport is what a gateway answered to. Nothing in it was authenticated.
type ProbeReport struct {
	Schema    int      `json:"schema"` // 1
	Host      string   `json:"host"`
	Address   string   `json:"address"`
	Addresses []string `json:"addresses,omitempty"` // all that the name has, where there are several

	Ports []ProbePort `json:"ports"`
	// IKEv2 is what a first message of RFC 7296 was answered with: "yes", "refused",
	// which some say who have it for other peers, "other" for IKEv1 only, or "no" for
	// silence; "" where it wasn't asked.
	IKEv2 string `json:"ikev2,omitempty"`

	MainMode       ProbeMode  `json:"main_mode"`
	AggressiveMode *ProbeMode `json:"aggressive_mode,omitempty"` // nil: no identity was named
	// Identity is what the gateway calls itself, in Aggressive Mode.
	Identity string `json:"identity,omitempty"`
	// OfflineGuessing: an answer to Aggressive Mode had a hash made with the group's
	// key, which whoever asks can try keys on. The hash wasn't kept.
	OfflineGuessing bool `json:"offline_guessing"`

	Vendors       []ProbeVendor `json:"vendors,omitempty"`
	NATTraversal  []string      `json:"nat_traversal,omitempty"` // the texts that it announces: "RFC 3947"
	DPD           bool          `json:"dpd"`
	Fragmentation bool          `json:"fragmentation"`
	XAuth         bool          `json:"xauth"`
	Unity         bool          `json:"unity"`

	// Profile is the lines of a profile that fit, as TOML; "" where nothing was accepted.
	Profile string   `json:"profile,omitempty"`
	Notes   []string `json:"notes,omitempty"` // sentences for a person

	Sent     int           `json:"sent"`      // datagrams
	Received int           `json:"received"`  // that were answers to them
	Ignored  int           `json:"ignored"`   // that weren't, or couldn't be read
	HalfOpen int           `json:"half_open"` // exchanges that the gateway began and we left
	Took     time.Duration `json:"took_ns"`
}

// ProbePort is what a UDP port of a gateway did.
type ProbePort struct {
	Port   uint16 `json:"port"`
	Answer string `json:"answer"` // "answers", "silent", "closed" (an ICMP message said so), "not asked"
}

// ProbeMode is what a gateway accepts in one mode of phase 1.
type ProbeMode struct {
	// Answer is "accepts", "refuses" (with a notify), "silent" or "not asked".
	Answer string `json:"answer"`
	// Accepted are the proposals, strongest first; Complete: all others that were
	// asked for are refused, or met with silence.
	Accepted []ProbeProposal `json:"accepted,omitempty"`
	Complete bool            `json:"complete"`
	Methods  []string        `json:"methods,omitempty"`  // authentication methods accepted
	Refusals []string        `json:"refusals,omitempty"` // notifies that refused, each once
}

// ProbeProposal is one phase 1 proposal that was accepted.
type ProbeProposal struct {
	Proposal string        `json:"proposal"`              // as a profile has it
	Lifetime time.Duration `json:"lifetime_ns,omitempty"` // in the answer
	Weak     []string      `json:"weak,omitempty"`        // sentences on what is weak about it
}

// ProbeVendor is a vendor ID of a gateway.
type ProbeVendor struct {
	ID   string `json:"id"` // in hexadecimal
	Name string `json:"name,omitempty"`
}

// DoctorRequest asks for checks, and for a report to give to others.
type DoctorRequest struct {
	// Tunnel is a connection or system profile. "" is the machine, and the connections
	// that are up.
	Tunnel string `json:"tunnel,omitempty"`
	// Document is a person's own profile, or their changes of a managed one, in place of
	// Tunnel: its gateway is asked one question.
	Document *Document `json:"document,omitempty"`
	// Bundle adds Sections to the checks.
	Bundle bool `json:"bundle,omitempty"`
	// Anonymous masks public addresses, names of hosts and names of users.
	Anonymous bool `json:"anonymous,omitempty"`
}

// DoctorReport is what was checked, with advice. There is no secret in it.
type DoctorReport struct {
	Schema   int       `json:"schema"` // 1
	Time     time.Time `json:"time"`
	Version  string    `json:"version"`
	System   string    `json:"system"`
	Verdict  Verdict   `json:"verdict"` // the worst of the checks'
	Checks   []Check   `json:"checks"`
	Sections []Section `json:"sections,omitempty"`
}

// Verdict is what a check came to.
type Verdict string

// The verdicts.
const (
	VerdictOK      Verdict = "ok"
	VerdictWarn    Verdict = "warn"
	VerdictFail    Verdict = "fail"
	VerdictSkipped Verdict = "skipped" // couldn't be checked, or doesn't apply
)

// Check is one thing that was looked at.
type Check struct {
	ID      string  `json:"id"`                // for scripts: "gateway_answers"
	Profile string  `json:"profile,omitempty"` // that it is about; "": the machine
	Title   string  `json:"title"`
	Verdict Verdict `json:"verdict"`
	Found   string  `json:"found"`            // a sentence
	Advice  string  `json:"advice,omitempty"` // the next thing to try
}

// Section is a part of a report to give to others.
type Section struct {
	Name string `json:"name"` // a file name: "routes.txt"
	Text string `json:"text"`
}
