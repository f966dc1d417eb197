package xauth

import (
	"context"
	"time"

	"postern/ike"
)

// Server is a gateway's side of XAuth. It isn't changed once it is in use, and
// serves any number of SAs at the same time.
type Server struct {
	// Verify judges a name and a password: nil lets the user in, an error that is
	// ErrRefused costs one of the tries, and a RefusedError's Message is shown; a
	// *Challenge asks further; any other error ends the login at once. It mustn't
	// keep the password.
	Verify func(ctx context.Context, sa *ike.SA, user string, password []byte) error

	Message  string        // shown with the first question; may be empty
	Tries    int           // 0: 3
	Patience time.Duration // how long a person may take for each answer; 0: 165 s
}

// Challenge is the error of a Verify that wants to know more. It may carry
// whatever the next step needs in Verify's closure.
type Challenge struct {
	Message   string // shown to the person
	Attribute uint16 // what is asked for, such as isakmp.AttrXAuthPasscode; 0: the password
	Verify    func(ctx context.Context, answer []byte) error
}

func (c *Challenge) Error() string { return "a further question: " + c.Message }

// Authenticate asks the client for its user until Verify is content, and tells
// it the outcome. It begins when the client's phase 1 is done. When the user
// isn't let in, it deletes the SA (draft-beaulieu-ike-xauth-02, section 5), and
// returns ErrRefused or what Verify or the exchange failed with.
func (s *Server) Authenticate(ctx context.Context, sa *ike.SA) (user string, err error) {
	return "", ErrRefused
}
