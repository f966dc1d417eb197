package radius

import (
	"net/netip"
	"strings"
	"time"

	codec "layeh.com/radius"
	"layeh.com/radius/rfc2865"
	"layeh.com/radius/rfc2869"

	"postern/client/prompt"
)

// Answer is an Accept, a Reject or a Challenge.
type Answer interface{ answer() }

// Accept lets the user in.
type Accept struct {
	Message string // cleaned; may be empty

	Group     string     // VPN-GroupInfo; empty: the server names none
	SharedKey []byte     // VPN-Password, the user's own key of phase 1; nil: none. Not to be changed
	Address   netip.Addr // Client-Assigned-IP, else Framed-IP-Address; invalid: none

	Limit   time.Duration // Session-Timeout; 0: none
	Interim time.Duration // Acct-Interim-Interval; 0: as the client likes
	Class   [][]byte      // to be repeated in accounting
}

// Reject doesn't.
type Reject struct {
	Message string // cleaned; may be empty
}

// Challenge wants to know more.
type Challenge struct {
	Message string // cleaned; may be empty
	State   State  // to be part of the next Request
	Echo    bool   // what is typed may be shown (Prompt, RFC 2869, section 5.10)
}

func (Accept) answer()    {}
func (Reject) answer()    {}
func (Challenge) answer() {}

// maxMessage is how many characters of a Reply-Message are shown. Chosen here.
const maxMessage = 1000

// answerOf reads a packet whose authenticity is known.
func answerOf(p *codec.Packet, from *server) Answer {
	switch p.Code {
	case codec.CodeAccessReject:
		return Reject{message(p)}
	case codec.CodeAccessChallenge:
		echo, err := codec.Integer(p.Get(rfc2869.Prompt_Type))
		return Challenge{
			Message: message(p), State: State{string(p.Get(rfc2865.State_Type)), from},
			Echo: err == nil && echo == uint32(rfc2869.Prompt_Value_Echo),
		}
	}
	a := Accept{Message: message(p), Limit: seconds(p, rfc2865.SessionTimeout_Type), Interim: seconds(p, rfc2869.AcctInterimInterval_Type)}
	if v, ok := Vendor(p, VPNGroupInfo); ok {
		a.Group = strings.TrimRight(string(v), "\x00")
	}
	if v, ok := Vendor(p, VPNPassword); ok && len(v) > 0 {
		a.SharedKey = v
	}
	a.Address = assigned(p)
	for _, avp := range p.Attributes {
		if avp.Type == rfc2865.Class_Type {
			a.Class = append(a.Class, avp.Attribute)
		}
	}
	return a
}

// assigned is the inner address. Of Framed-IP-Address "0xFFFFFFFF indicates that the
// NAS should allow the user to select an address", and 0xFFFFFFFE that the NAS shall.
// RFC 2865, section 5.8
func assigned(p *codec.Packet) netip.Addr {
	if v, ok := Vendor(p, ClientAssignedIP); ok {
		if a, ok := address(v); ok && !a.IsUnspecified() {
			return a
		}
	}
	v := p.Get(rfc2865.FramedIPAddress_Type)
	if len(v) != 4 || v[0] == 0 || v[0] == 0xff {
		return netip.Addr{}
	}
	return netip.AddrFrom4([4]byte(v))
}

// message is Reply-Message. "Multiple Reply-Message's MAY be included and if any are
// displayed, they MUST be displayed in the same order". RFC 2865, section 5.18
func message(p *codec.Packet) string {
	var all []string
	for _, a := range p.Attributes {
		if a.Type == rfc2865.ReplyMessage_Type {
			all = append(all, prompt.CleanText(string(a.Attribute), maxMessage))
		}
	}
	return prompt.CleanText(strings.Join(all, "\n"), maxMessage)
}

func seconds(p *codec.Packet, t codec.Type) time.Duration {
	n, err := codec.Integer(p.Get(t))
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Second
}
