package gui

import (
	"context"
	"errors"
	"time"

	"fyne.io/fyne/v2"

	"postern/client/localapi"
)

// retryPause is how long a daemon that went away is left alone. Chosen here.
const retryPause = time.Second

// Start watches the daemon until Close.
func (u *UI) Start() {
	u.reach(u.api)
	go u.clock()
}

// reach turns to a daemon.
func (u *UI) reach(api *localapi.Client) {
	if u.unwatch != nil {
		u.unwatch()
	}
	u.api = api
	var ctx context.Context
	ctx, u.unwatch = context.WithCancel(u.ctx)
	go u.watch(ctx, api)
}

// watch shows each snapshot, and that there is no daemon.
func (u *UI) watch(ctx context.Context, api *localapi.Client) {
	// What a daemon said that the window has turned away from is late.
	do := func(f func()) {
		fyne.Do(func() {
			if ctx.Err() == nil {
				f()
			}
		})
	}
	for {
		system, err := api.Profiles(ctx)
		if err == nil {
			do(func() { u.system = system })
			for s, problem := range api.Watch(ctx) {
				if err = problem; err != nil {
					break
				}
				do(func() { u.show(s) })
			}
		}
		do(func() { u.lost(err) })
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryPause):
		}
	}
}

// lost shows that the daemon is gone. What it did isn't known any more.
func (u *UI) lost(err error) {
	var r *localapi.Reason
	if !errors.As(err, &r) {
		r = &localapi.Reason{Code: "no_service", Message: "The service ended.", Exit: localapi.ExitService}
	}
	u.offline, u.snapshot = r, localapi.Snapshot{Mode: u.snapshot.Mode} // of the profiles that stay in the list
	if u.question != nil {
		u.question.dismiss()
		u.question = nil
	}
	u.refresh(time.Now())
}

// clock lets times go on while something is connected or on its way.
func (u *UI) clock() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-u.ctx.Done():
			return
		case now := <-t.C:
			fyne.Do(func() {
				if e := u.entry(); e != nil && e.busy() || u.question != nil {
					u.tick(now)
				}
			})
		}
	}
}

// tick is a second of the selected connection.
func (u *UI) tick(now time.Time) {
	u.connection.show(u.entry(), now)
	if u.question != nil {
		u.question.tick(now)
	}
}
