package stamp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"postern/ike"
	"postern/ike/isakmp"
)

// securidServer is one SecurID dialogue.
type securidServer struct {
	*Server
	sa          *ike.SA
	user        string // empty until the client has named it
	transaction uint16
	step        uint16
	again       func() // repeats the last message
	nudged      <-chan struct{}
}

// SecurID leads the dialogue, after phase 1. user is who the client is known to be
// already, "" if nobody: it then names itself. nudged, if not nil, tells that the
// client repeats Quick Mode's first message. The user is returned; a refusal is
// ErrRefused, and then the SA is the caller's to close.
func (s *Server) SecurID(ctx context.Context, sa *ike.SA, user string, nudged <-chan struct{}) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.patience())
	defer cancel()
	var random [2]byte
	rand.Read(random[:])
	d := &securidServer{
		Server: s, sa: sa, user: user, nudged: nudged,
		transaction: uint16(random[0])<<8 | uint16(random[1]),
	}
	err := d.run(ctx)
	if err != nil {
		return d.user, fmt.Errorf("SecurID: %w", err)
	}
	return d.user, nil
}

func (d *securidServer) run(ctx context.Context) error {
	question, state := Question{Ask: AskPasscode}, any(nil)
	for range maxRounds {
		// <--  HDR*, HASH(1), SECURID(request)    HDR*, HASH(1), SECURID(response)  -->
		answer, err := d.ask(ctx, question)
		if err != nil {
			return err
		}
		verdict, err := d.verify(ctx, answer, state)
		if err != nil {
			d.log().Warn("SecurID", "user", d.user, "error", err)
			verdict = Verdict{Message: "The authentication server doesn't answer."}
		}
		switch verdict.Outcome {
		case Accepted:
			// <--  HDR*, HASH(1), SECURID(result)
			if err := d.tell(outcomeAccepted, verdict.Message); err != nil {
				return err
			}
			go d.linger(d.sa, d.again, clientPatience)
			return nil
		case Challenged:
			question, state = verdict.Question, verdict.State
		default:
			if e := d.tell(outcomeRejected, verdict.Message); e != nil {
				return e
			}
			d.linger(d.sa, d.again, rejectLinger)
			if err == nil {
				err = &RefusedError{Step: "SecurID"}
			}
			return err
		}
	}
	return fmt.Errorf("more than %d steps", maxRounds)
}

// ask sends a request and repeats it until the client answers its step.
func (d *securidServer) ask(ctx context.Context, q Question) (Answer, error) {
	d.step++
	q.Message = CleanMessage(q.Message)
	if err := d.send(&securid{kind: kindRequest, question: q}); err != nil {
		return Answer{}, err
	}
	pause := firstRepeat
	for repeat := time.After(pause); ; {
		select {
		case <-ctx.Done():
			return Answer{}, context.Cause(ctx)
		case <-d.sa.Done():
			return Answer{}, d.sa.Err()
		case <-d.nudged:
			d.again()
		case <-repeat:
			d.again()
			pause = min(2*pause, longestRepeat)
			repeat = time.After(pause)
		case p := <-d.sa.Private():
			m, err := d.read(p, q.Ask)
			if err != nil {
				d.log().Debug("refused", "exchange", "SecurID", "error", err)
				continue
			}
			return m.answer, nil
		}
	}
}

// read takes the response to the last request.
func (d *securidServer) read(p isakmp.Payload, ask Ask) (*securid, error) {
	if p.Type != PayloadSecurID {
		return nil, errors.New("another payload")
	}
	m, err := parseSecurID(p.Body)
	if err != nil {
		return nil, err
	}
	switch {
	case m.kind != kindResponse || m.transaction != d.transaction || m.step != d.step || m.answer.Ask != ask:
		return nil, errors.New("SECURID payload: no response to what was asked")
	case d.user == "" && m.user == "":
		return nil, errors.New("SECURID payload: no user name")
	case d.user != "" && m.user != "" && m.user != d.user:
		return nil, errors.New("SECURID payload: another user's")
	}
	if d.user == "" {
		d.user = m.user
	}
	return m, nil
}

func (d *securidServer) verify(ctx context.Context, a Answer, state any) (Verdict, error) {
	defer a.clear()
	ctx, cancel := context.WithTimeout(ctx, serverPatience)
	defer cancel()
	return d.Verify(ctx, d.user, a, state)
}

func (d *securidServer) send(m *securid) (err error) {
	m.transaction, m.step = d.transaction, d.step
	d.again, err = d.sa.Inform(isakmp.Payload{Type: PayloadSecurID, Body: m.marshal()})
	return err
}

func (d *securidServer) tell(outcome uint8, message string) error {
	return d.send(&securid{kind: kindResult, outcome: outcome, message: CleanMessage(message)})
}

// linger repeats the result to a client that repeats its last response.
func (d *securidServer) linger(sa *ike.SA, again func(), limit time.Duration) {
	end := time.NewTimer(limit)
	defer end.Stop()
	for {
		select {
		case <-end.C:
			return
		case <-sa.Done():
			return
		case p := <-sa.Private():
			m, err := parseSecurID(p.Body)
			if err == nil && p.Type == PayloadSecurID && m.kind == kindResponse && m.transaction == d.transaction && m.step == d.step {
				again()
			}
		}
	}
}
