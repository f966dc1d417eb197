package stamp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"postern/client/prompt"
	"postern/ike"
	"postern/ike/isakmp"
)

// The SecurID dialogue. Documented: a special informational exchange between
// phase 1 and phase 2, fully protected by the IKE SA. Chosen here: its form.
//
//	 Client                                Concentrator
//	--------                              --------------
//	 HDR*, HASH(1), SA, Ni            -->
//	                                  <--  HDR*, HASH(1), SECURID(request)
//	 HDR*, HASH(1), SECURID(response) -->
//	                                   …
//	                                  <--  HDR*, HASH(1), SECURID(result)
//	                                  <--  HDR*, HASH(2), SA, Nr, …

// securidClient is one SecurID dialogue.
type securidClient struct {
	*Client
	sa          *ike.SA
	transaction uint16
	answered    uint16 // the last step
	again       func() // repeats its answer
}

// SecurID answers the dialogue that the concentrator may begin, until that is over
// or ctx ends. It is to be called once, beside Quick Mode: while a person is asked
// the clock of that stands still, and Quick Mode's success means that the answers
// were right even if the result was lost. Errors: ErrRefused, ErrUnanswered,
// prompt.ErrCancelled, prompt.ErrNotInteractive.
func (c *Client) SecurID(ctx context.Context, sa *ike.SA) error {
	d := &securidClient{Client: c, sa: sa}
	if err := d.run(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

func (d *securidClient) run(ctx context.Context) error {
	var repeat <-chan time.Time
	for pause := firstRepeat; ; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-d.sa.Done():
			return nil // whoever waits for the SA says why
		case <-repeat:
			d.again()
			repeat = time.After(pause)
			pause = min(2*pause, longestRepeat)
		case p := <-d.sa.Private():
			m, err := d.read(p)
			if err != nil {
				d.cfg.Log.Debug("refused", "exchange", "SecurID", "error", err)
				continue
			}
			switch {
			case m.kind == kindResult && m.outcome == outcomeAccepted:
				d.sa.HoldQuick(0)
				return nil
			case m.kind == kindResult:
				return &RefusedError{Step: "SecurID", Message: m.message}
			case m.step == d.answered:
				d.again()
			default:
				// <--  HDR*, HASH(1), SECURID(request)    HDR*, HASH(1), SECURID(response)  -->
				if err := d.respond(ctx, m); err != nil {
					return fmt.Errorf("SecurID: %w", err)
				}
				pause = firstRepeat
				repeat = time.After(pause)
			}
		}
	}
}

// Times between repeats. Chosen here.
const (
	firstRepeat   = 500 * time.Millisecond
	longestRepeat = 5 * time.Second
)

// read takes what goes on with the dialogue: the first request opens it, and
// after that one follows the other.
func (d *securidClient) read(p isakmp.Payload) (*securid, error) {
	if p.Type != PayloadSecurID {
		return nil, errors.New("another payload")
	}
	m, err := parseSecurID(p.Body)
	if err != nil {
		return nil, err
	}
	switch {
	case m.kind == kindResponse:
		return nil, errors.New("SECURID payload: a response to the client")
	case d.answered > 0 && m.transaction != d.transaction:
		return nil, errors.New("SECURID payload: of another dialogue")
	case m.kind == kindResult && (d.answered == 0 || m.step != d.answered),
		m.kind == kindRequest && m.step != d.answered+1 && (m.step != d.answered || d.answered == 0):
		return nil, fmt.Errorf("SECURID payload: step %d after step %d", m.step, d.answered)
	case m.step > maxRounds:
		return nil, fmt.Errorf("SECURID payload: more than %d steps", maxRounds)
	}
	d.transaction = m.transaction
	return m, nil
}

// respond answers a request.
func (d *securidClient) respond(ctx context.Context, m *securid) error {
	d.sa.HoldQuick(d.cfg.Patience + margin)
	r := &securid{kind: kindResponse, transaction: m.transaction, step: m.step}
	defer r.answer.clear()
	var err error
	if r.answer, err = d.answer(ctx, m); err != nil {
		return err
	}
	if m.step == 1 {
		r.user = d.cfg.User
	}
	// What came meanwhile repeats the request.
	for len(d.sa.Private()) > 0 {
		<-d.sa.Private()
	}
	d.sa.HoldQuick(serverPatience)
	body := r.marshal()
	d.again, err = d.sa.Inform(isakmp.Payload{Type: PayloadSecurID, Body: body})
	clear(body)
	d.answered = m.step
	return err
}

// answer asks the person.
func (d *securidClient) answer(ctx context.Context, m *securid) (a Answer, err error) {
	a.Ask = m.question.Ask
	f := questions[a.Ask]
	if a.Ask == AskNewPIN {
		f.Min, f.Max = max(f.Min, int(m.question.MinPIN)), int(m.question.MaxPIN)
		if f.Max < f.Min {
			f.Max = maxPasscode
		}
	}
	fields := []prompt.Field{f}
	if m.step == 1 {
		fields = append(d.userField(), f)
	}
	message := prompt.CleanText(m.question.Message, maxText)
	for {
		answers, err := d.ask(ctx, message, fields...)
		if err != nil {
			return a, err
		}
		if user := answers["user"]; user != nil {
			d.cfg.User = string(user)
		}
		said := answers["answer"]
		switch a.Ask {
		case AskNewPIN:
			if !m.question.Alphanumeric && strings.Trim(string(said), "0123456789") != "" {
				clear(said)
				message = "The new PIN may consist of digits only. " + m.question.Message
				continue
			}
			a.NewPIN = said
		case AskAcceptPIN, AskWhoChooses:
			a.Yes = string(said) == "yes"
		default:
			a.Passcode = said
		}
		return a, nil
	}
}

// questions are how a person is asked. A passcode is good for one use.
var questions = map[Ask]prompt.Field{
	AskPasscode:   {Name: "answer", Label: "Passcode", Kind: prompt.Passcode, Min: 1, Max: maxPasscode},
	AskNextCode:   {Name: "answer", Label: "Next tokencode", Kind: prompt.Passcode, Min: 1, Max: maxPasscode},
	AskNewPIN:     {Name: "answer", Label: "New PIN", Kind: prompt.NewPIN, Min: 1, Max: maxPasscode},
	AskAcceptPIN:  {Name: "answer", Label: "Accept the new PIN", Kind: prompt.YesNo},
	AskWhoChooses: {Name: "answer", Label: "Choose the new PIN yourself", Kind: prompt.YesNo},
}
