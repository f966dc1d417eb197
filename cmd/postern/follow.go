package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"postern/client"
	"postern/client/localapi"
	"postern/client/prompt"
)

// following is one connection of the service's that a person waits for.
type following struct {
	api      *localapi.Client
	id, name string
	show     shower
	ask      prompt.Func
	wait     time.Duration // how long, questions not counted
	log      io.Writer     // gets the connection's log; nil: nobody wants it

	last     localapi.Snapshot
	open     uint64 // the prompt that is being asked; 0: none
	asked    uint64 // the last one that was
	dismiss  context.CancelFunc
	answered chan answered
}

// answered is what came of asking a person.
type answered struct {
	prompt  uint64
	began   time.Time
	answers prompt.Answers
	err     error
}

// snapshotOrError is what a watch yields.
type snapshotOrError struct {
	localapi.Snapshot
	err error
}

// untilUp shows the connection and asks its questions until it is up. The error is a
// *localapi.Reason, or shown where the person has seen it.
func (w *following) untilUp(ctx context.Context) (client.Status, error) {
	ctx, cancel := context.WithCancel(ctx)
	w.answered = make(chan answered)
	defer func() {
		cancel()
		if w.open != 0 {
			a := <-w.answered // which leaves the terminal as it was
			a.answers.Clear()
		}
	}()
	if w.log != nil {
		go w.tellLog(ctx)
	}
	snapshots := watchSnapshots(ctx, w.api)
	deadline := time.Now().Add(w.wait)
	for {
		var late <-chan time.Time
		if w.open == 0 {
			late = time.After(time.Until(deadline))
		}
		select {
		case s := <-snapshots:
			if s.err != nil {
				return client.Status{}, s.err
			}
			w.last = s.Snapshot
		case a := <-w.answered:
			w.open = 0
			deadline = deadline.Add(time.Since(a.began))
			if err := w.answer(ctx, a); err != nil {
				return client.Status{}, err
			}
		case <-late:
			return client.Status{}, w.late()
		case <-ctx.Done():
			if s, ok := w.show.(*screen); ok {
				s.cancelled()
			}
			w.give(ctx)
			return client.Status{}, interrupted(ctx, ctx.Err())
		}
		st, ended, err := w.look(ctx)
		if ended || err != nil {
			return st, err
		}
	}
}

// watchSnapshots yields every snapshot until ctx ends; an error is the last.
func watchSnapshots(ctx context.Context, api *localapi.Client) <-chan snapshotOrError {
	out := make(chan snapshotOrError)
	go func() {
		for s, err := range api.Watch(ctx) {
			select {
			case out <- snapshotOrError{s, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// look shows where the connection stands, asks what it asks, and says whether that is
// the end of waiting.
func (w *following) look(ctx context.Context) (client.Status, bool, error) {
	i := slices.IndexFunc(w.last.Tunnels, func(t localapi.Tunnel) bool { return t.ID == w.id })
	if i < 0 {
		return client.Status{}, true, &localapi.Reason{
			Code: "disconnected", Exit: localapi.ExitOther, Message: fmt.Sprintf("%q was disconnected meanwhile.", w.name),
		}
	}
	st := w.last.Tunnels[i].Status
	w.show.show(st)
	switch st.State {
	case client.Up:
		return st, true, nil
	case client.Failed:
		return st, true, shown{exitOf(st.Reason)}
	}
	p := st.Prompt
	if w.open != 0 && (p == nil || p.ID != w.open) {
		w.dismiss() // nobody waits for the answer any more
	}
	if w.open == 0 && p != nil && p.ID != w.asked {
		w.begin(ctx, *p)
	}
	return st, false, nil
}

func exitOf(r *client.Reason) int {
	if r == nil {
		return client.ExitOther
	}
	return r.Exit
}

// begin asks a person, who may take their time.
func (w *following) begin(ctx context.Context, p prompt.Prompt) {
	ctx, w.dismiss = context.WithCancel(ctx)
	w.open, w.asked = p.ID, p.ID
	began := time.Now()
	go func() {
		answers, err := w.ask(ctx, p)
		w.answered <- answered{p.ID, began, answers, err}
	}()
}

// answer hands on what a person answered.
func (w *following) answer(ctx context.Context, a answered) error {
	w.dismiss()
	defer a.answers.Clear()
	switch {
	case ctx.Err() != nil: // which is seen next
		return nil
	case errors.Is(a.err, prompt.ErrCancelled), errors.Is(a.err, prompt.ErrNotInteractive):
		w.give(ctx)
		return client.Explain(a.err)
	case a.err != nil: // too late, or dismissed
		return nil
	}
	r := localapi.AnswerRequest{Tunnel: w.id, Prompt: a.prompt, Answers: map[string]localapi.Octets{}}
	for name, v := range a.answers {
		r.Answers[name] = localapi.Octets(v)
	}
	err := w.api.Answer(ctx, r)
	var refused *localapi.Reason
	if errors.As(err, &refused) && refused.Code == localapi.CodeStalePrompt {
		return nil
	}
	return err
}

// giveUpLimit is how long the service may take to put everything back.
const giveUpLimit = 30 * time.Second

// give ends the connection.
func (w *following) give(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveUpLimit)
	defer cancel()
	_ = w.api.Disconnect(ctx, localapi.TunnelRequest{Tunnel: w.id})
}

func (w *following) late() error {
	return &localapi.Reason{
		Code: "still_connecting", Exit: localapi.ExitTimeout,
		Message: fmt.Sprintf("%q isn't up after %v, and goes on trying.", w.name, w.wait),
		Try:     fmt.Sprintf("See: postern status %[1]s; to give up: postern down %[1]s", localapi.Word(w.name)),
	}
}

// tellLog writes the connection's log from now on.
func (w *following) tellLog(ctx context.Context) {
	began := time.Now()
	for l, err := range w.api.Log(ctx, localapi.LogRequest{Tunnel: w.id, Follow: true}) {
		if err == nil && !l.Time.Before(began) {
			fmt.Fprintln(w.log, logText(l, false, false))
		}
	}
}
