package localapi

// Reason is why a connection isn't up: a code for scripts, which is a contract,
// and a sentence for a person with what to try next.
type Reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`          // what happened, with its likely cause
	Try     string `json:"try,omitempty"`    // the next thing to try
	Exit    int    `json:"exit"`             // the exit code of a command that ends with it
	Detail  string `json:"detail,omitempty"` // the error as the engine said it
}

func (r *Reason) Error() string {
	if r.Try == "" {
		return r.Message
	}
	return r.Message + " " + r.Try
}

// Exit codes.
const (
	ExitOK          = 0
	ExitOther       = 1
	ExitCredentials = 2
	ExitTimeout     = 3
	ExitRefused     = 4
	ExitNetwork     = 5
	ExitInput       = 6
	ExitProfile     = 7
	ExitPermission  = 8
	ExitService     = 9
	ExitNoProfile   = 10
	ExitIdentity    = 11
	ExitTryLater    = 75
	ExitInterrupted = 130
	ExitTerminated  = 143
)
