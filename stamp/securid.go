package stamp

import (
	"fmt"

	"postern/ike/isakmp"
)

// securid is a SECURID payload.
type securid struct {
	kind        uint8
	transaction uint16 // of the dialogue
	step        uint16
	question    Question // of a request
	user        string   // of the first response
	answer      Answer   // of a response
	message     string   // of a result; may be empty
	outcome     uint8    // of a result
}

// Question is what a SecurID server wants to know.
type Question struct {
	Ask     Ask
	Message string // to show; text of one line, may be empty

	// Of a new PIN: least and most characters, 0: not said; letters beside digits.
	MinPIN, MaxPIN uint16
	Alphanumeric   bool
}

// Answer is what the user said to a Question.
type Answer struct {
	Ask      Ask
	Passcode []byte // to AskPasscode and AskNextCode
	NewPIN   []byte // to AskNewPIN
	Yes      bool   // to AskAcceptPIN and AskWhoChooses
}

// clear overwrites what is secret.
func (a *Answer) clear() {
	clear(a.Passcode)
	clear(a.NewPIN)
}

// marshal is the payload's body.
func (s *securid) marshal() []byte {
	as := []isakmp.Attribute{isakmp.TV(securidTransaction, s.transaction), isakmp.TV(securidStep, s.step)}
	str := func(t uint16, v []byte) {
		if len(v) > 0 {
			as = append(as, isakmp.TLV(t, v))
		}
	}
	switch s.kind {
	case kindRequest:
		as = append(as, isakmp.TV(securidAsk, uint16(s.question.Ask)))
		str(securidMessage, []byte(s.question.Message))
		if s.question.Ask == AskNewPIN {
			as = append(as, isakmp.TV(securidMinPIN, s.question.MinPIN), isakmp.TV(securidMaxPIN, s.question.MaxPIN),
				isakmp.TV(securidAlphanumeric, flagValue(s.question.Alphanumeric)))
		}
	case kindResponse:
		as = append(as, isakmp.TV(securidAsk, uint16(s.answer.Ask)))
		str(securidUser, []byte(s.user))
		str(securidPasscode, s.answer.Passcode)
		str(securidNewPIN, s.answer.NewPIN)
		if s.answer.Ask == AskAcceptPIN || s.answer.Ask == AskWhoChooses {
			as = append(as, isakmp.TV(securidAnswer, flagValue(s.answer.Yes)))
		}
	case kindResult:
		str(securidMessage, []byte(s.message))
		as = append(as, isakmp.TV(securidOutcome, uint16(s.outcome)))
	}
	return isakmp.AppendAttributes(appendHeader(s.kind), as)
}

// parseSecurID reads a payload's body.
func parseSecurID(b []byte) (*securid, error) {
	m, r := new(securid), new(reader)
	kind, rest, err := kindOf(b)
	if err != nil {
		return nil, fmt.Errorf("SECURID payload: %w", err)
	}
	m.kind = kind
	var ask Ask
	_, err = r.read(rest, map[uint16]field{
		securidTransaction:  number(&m.transaction, 0, 0xffff),
		securidStep:         number(&m.step, 1, 0xffff),
		securidAsk:          number(&ask, uint16(AskPasscode), uint16(AskWhoChooses)),
		securidMessage:      text(&m.message, maxText),
		securidUser:         text(&m.user, maxText),
		securidPasscode:     octets(&m.answer.Passcode, 1, maxPasscode),
		securidNewPIN:       octets(&m.answer.NewPIN, 1, maxPasscode),
		securidAnswer:       flag(&m.answer.Yes),
		securidOutcome:      number(&m.outcome, outcomeAccepted, outcomeRejected),
		securidMinPIN:       number(&m.question.MinPIN, 0, maxPasscode),
		securidMaxPIN:       number(&m.question.MaxPIN, 0, maxPasscode),
		securidAlphanumeric: flag(&m.question.Alphanumeric),
	})
	if err == nil {
		err = r.need(securidTransaction, securidStep)
	}
	if err == nil {
		switch kind {
		case kindRequest:
			m.question.Ask, m.question.Message = ask, m.message
			err = r.need(securidAsk)
		case kindResponse:
			m.answer.Ask = ask
			if err = r.need(securidAsk); err == nil {
				err = r.need(answerTo[ask])
			}
		case kindResult:
			err = r.need(securidOutcome)
		default:
			err = fmt.Errorf("kind %d", kind)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("SECURID payload: %w", err)
	}
	return m, nil
}

// answerTo is the attribute that answers a question.
var answerTo = map[Ask]uint16{
	AskPasscode: securidPasscode, AskNextCode: securidPasscode, AskNewPIN: securidNewPIN,
	AskAcceptPIN: securidAnswer, AskWhoChooses: securidAnswer,
}
