package radiusserver

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net/netip"
	"time"

	codec "layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"postern/client/concentrator/radius"
)

// User is somebody the server knows.
type User struct {
	Password string // for PAP and CHAP
	Ask      []Question
	Token    *Token // a passcode instead of all that

	// What an Access-Accept says.
	Group     string        // VPN-GroupInfo
	SharedKey string        // VPN-Password
	Address   netip.Addr    // Client-Assigned-IP
	Limit     time.Duration // Session-Timeout
	Message   string        // Reply-Message
}

// Question is asked behind the password.
type Question struct {
	Text, Answer string
	Echo         bool // what is typed may be shown
}

// reply is how a request is answered.
type reply struct {
	code    codec.Code
	message string
	echo    bool
	next    step // of an Access-Challenge
}

// step judges the answer to a question.
type step func(typed string) reply

func accept() reply               { return reply{code: codec.CodeAccessAccept} }
func reject(message string) reply { return reply{code: codec.CodeAccessReject, message: message} }
func ask(message string, n step) reply {
	return reply{code: codec.CodeAccessChallenge, message: message, next: n}
}
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// question asks what is left to ask.
func (u *User) question(left []Question) reply {
	if len(left) == 0 {
		return accept()
	}
	q := left[0]
	r := ask(q.Text, func(typed string) reply {
		if !same(typed, q.Answer) {
			return reject(deniedMessage)
		}
		return u.question(left[1:])
	})
	r.echo = q.Echo
	return r
}

// pending is a question whose answer is awaited.
type pending struct {
	user  string
	next  step
	until time.Time
}

// patience is how long a question stays open. Chosen here.
const patience = 2 * time.Minute

// login answers an Access-Request.
func (s *Server) login(p *codec.Packet) *codec.Packet {
	name := rfc2865.UserName_GetString(p)
	r := s.judge(p, name)
	s.cfg.Saw(fmt.Sprintf("%v of %q -> %v", p.Code, name, r.code))
	a := p.Response(r.code)
	if r.next != nil {
		state := rand.Text()
		s.pending[state] = pending{name, r.next, time.Now().Add(patience)}
		_ = rfc2865.State_SetString(a, state)
		if r.echo {
			_ = rfc2869.Prompt_Set(a, rfc2869.Prompt_Value_Echo)
		}
	}
	if u := s.cfg.Users[name]; u != nil && r.code == codec.CodeAccessAccept {
		u.describe(a)
		if r.message == "" {
			r.message = u.Message
		}
	}
	if r.message != "" {
		_ = rfc2865.ReplyMessage_AddString(a, r.message)
	}
	return a
}

// judge says how a request is answered.
func (s *Server) judge(p *codec.Packet, name string) reply {
	typed, chap := rfc2865.UserPassword_GetString(p), rfc2865.CHAPPassword_Get(p)
	if state := rfc2865.State_GetString(p); state != "" {
		open, ok := s.pending[state]
		delete(s.pending, state)
		if !ok || open.user != name || time.Now().After(open.until) || chap != nil {
			return reject("The question was too old, or never asked.")
		}
		return open.next(typed)
	}
	u := s.cfg.Users[name]
	switch {
	case chap != nil && u != nil && u.Token == nil:
		return u.chap(p, chap)
	case chap != nil:
		return reject(deniedMessage)
	case typed == "":
		return ask(u.firstQuestion(), func(typed string) reply { return u.first(typed) })
	}
	return u.first(typed)
}

// firstQuestion is what an empty password is answered with, whoever asks.
func (u *User) firstQuestion() string {
	if u == nil || u.Token != nil {
		return "Enter PASSCODE:"
	}
	return "Enter your password:"
}

// first judges a password or passcode.
func (u *User) first(typed string) reply {
	switch {
	case u == nil:
		return reject(deniedMessage)
	case u.Token != nil:
		return u.Token.passcode(typed)
	case u.Password == "" || !same(typed, u.Password):
		return reject(deniedMessage)
	}
	return u.question(u.Ask)
}

// chap judges a CHAP response. "If the CHAP-Challenge attribute is present … it is
// used as the CHAP challenge", else the Request Authenticator. RFC 2865, section 2.2
func (u *User) chap(p *codec.Packet, response []byte) reply {
	challenge := rfc2865.CHAPChallenge_Get(p)
	if challenge == nil {
		challenge = p.Authenticator[:]
	}
	if len(response) != 1+md5.Size || u.Password == "" {
		return reject(deniedMessage)
	}
	h := md5.New()
	h.Write(response[:1])
	h.Write([]byte(u.Password))
	h.Write(challenge)
	if subtle.ConstantTimeCompare(h.Sum(nil), response[1:]) != 1 {
		return reject(deniedMessage)
	}
	return u.question(u.Ask)
}

// describe says what the user gets.
func (u *User) describe(a *codec.Packet) {
	if u.Group != "" {
		radius.AddVendor(a, radius.VPNGroupInfo, []byte(u.Group))
	}
	if u.SharedKey != "" {
		radius.AddVendor(a, radius.VPNPassword, []byte(u.SharedKey))
	}
	if u.Limit > 0 {
		_ = rfc2865.SessionTimeout_Set(a, rfc2865.SessionTimeout(u.Limit/time.Second))
	}
	if u.Address.IsValid() {
		radius.AddVendor(a, radius.ClientAssignedIP, []byte(u.Address.String()))
	}
}
