package service

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"postern/client"
	"postern/client/localapi"
	"postern/client/profile"
	"postern/client/prompt"
)

// worker is a process with one connection. What it does wrong, down to a crash, is
// nobody else's trouble, and its memory ends with it.
type worker struct {
	out    frames
	client *client.Client
	first  uint64 // the number before the first prompt's

	answers chan given
	orphan  atomic.Bool // the Manager died

	mu      sync.Mutex
	pending *prompt.Prompt // the one that is open, with its number outside; nil: none
}

// given is a person's answer.
type given struct {
	answers prompt.Answers
	err     error
}

// Work is the whole of a worker: it reads from in what a Manager says, connects and
// tells how that goes to out. It returns when the connection has ended and the network
// is as it was before: of itself, as it is told to, or because the Manager is gone.
func Work(in io.Reader, out io.Writer) error {
	first, err := readCommand(in)
	if err != nil {
		return err
	}
	if first.Start == nil {
		return errors.New("the first command isn't an order")
	}
	o := first.Start
	w := &worker{out: frames{w: out}, first: o.FirstPrompt, answers: make(chan given, 1)}
	log := w.logger(o.Debug)
	p, err := o.profile(first.secrets)
	if err != nil {
		return w.out.report(report{Ended: true, Reason: client.Explain(err)})
	}
	options := client.Options{Log: log, Ask: w.ask, StateDir: o.StateDir, Known: o.Known, Rootless: o.Rootless, Accompanied: o.Accompanied, ID: o.ID, Orphan: w.orphan.Load}
	if o.NoPrompt {
		options.Ask = prompt.Nobody
	}
	w.client = client.New(p, options)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		defer cancel()
		w.obey(in)
	}()
	watched := make(chan struct{})
	watching, stop := context.WithCancel(context.Background())
	go func() { defer close(watched); w.watch(watching) }()
	err = w.client.Run(ctx)
	stop()
	<-watched
	return w.out.report(report{Ended: true, Reason: client.Explain(err)})
}

// profile is the order's, with all secrets. It takes those over.
func (o *order) profile(secrets map[string]localapi.Octets) (p *profile.Profile, err error) {
	once := make(map[string]localapi.Octets)
	var d localapi.Document
	d.Secrets, d.Files = make(map[string]localapi.Octets), make(map[string]localapi.Octets)
	for name, s := range secrets {
		for kind, to := range map[string]map[string]localapi.Octets{documentSecret: d.Secrets, documentFile: d.Files, onceSecret: once} {
			if key, ok := strings.CutPrefix(name, kind); ok {
				to[key] = s
			}
		}
	}
	if o.Document != nil {
		d.Name, d.TOML = o.Document.Name, o.Document.TOML
		p, _, err = o.folder().own(&d)
	} else {
		p, err = o.folder().resolve(strings.TrimSuffix(filepath.Base(o.Path), ".toml"))
	}
	if err != nil {
		return nil, err
	}
	if err := takeOnce(p, once); err != nil {
		p.Clear()
		return nil, err
	}
	return p, nil
}

// Kinds of secrets in an order: the first octet of their names.
const (
	documentSecret = "s"
	documentFile   = "f"
	onceSecret     = "o"
)

func (w *worker) logger(debug bool) *slog.Logger {
	level := slog.LevelInfo
	if debug {
		level = slog.LevelDebug
	}
	return slog.New(&handler{level: level, add: func(l localapi.LogLine) { _ = w.out.report(report{Log: &l}) }})
}

// obey does what the Manager says until it says no more.
func (w *worker) obey(in io.Reader) {
	for {
		c, err := readCommand(in)
		switch {
		case err != nil:
			w.orphan.Store(true)
			return
		case c.Stop:
			return
		case c.Answer != nil:
			w.answer(c.Answer, c.secrets)
		case c.Reconnect:
			w.client.Reconnect()
		case c.Poll != 0:
			_ = w.tell(w.client.Status(), c.Poll)
		}
	}
}

// watch tells every status until ctx ends.
func (w *worker) watch(ctx context.Context) {
	for {
		st, changed := w.client.Watch()
		if w.tell(st, 0) != nil {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// tell reports a status. While a prompt is open that is what it is about: the number of
// the prompt is one that no other connection's ever had.
func (w *worker) tell(st client.Status, poll uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	st.Prompt = w.pending
	if w.pending != nil {
		st.State = client.WaitingForInput
	}
	return w.out.report(report{Status: &st, Poll: poll})
}

// ask is a prompt.Func: the status says what is asked, and the Manager brings the
// answer.
func (w *worker) ask(ctx context.Context, p prompt.Prompt) (prompt.Answers, error) {
	if !p.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, p.Deadline)
		defer cancel()
	}
	p.ID += w.first
	w.mu.Lock()
	w.pending = &p
	w.mu.Unlock()
	_ = w.tell(w.client.Status(), 0)
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.pending = nil
		select { // it came too late
		case late := <-w.answers:
			late.answers.Clear()
		default:
		}
	}()
	select {
	case a := <-w.answers:
		return a.answers, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// answer hands an answer to the prompt that it is for, if that is still open.
func (w *worker) answer(a *answer, secrets map[string]localapi.Octets) {
	g := given{answers: make(prompt.Answers, len(secrets))}
	for name, s := range secrets {
		g.answers[name] = prompt.Answer(s)
	}
	if a.Cancel {
		g.answers.Clear()
		g = given{err: prompt.ErrCancelled}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pending == nil || w.pending.ID != a.Prompt {
		g.answers.Clear()
		return
	}
	w.pending = nil // one answer only
	w.answers <- g
}
