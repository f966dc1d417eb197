// Package gui is the window of postern: it shows the snapshots of the local API, and its
// buttons call that API. It runs as the person and links no engine.
//
// State flows one way: watch.go takes a snapshot and hands it to show, on Fyne's
// goroutine; show brings every part up to date; what a part can't show it doesn't know.
//
// Files: gui.go the whole; watch.go what comes from the daemon; entries.go and list.go the
// profiles; connection.go one of them, of phases.go, facts.go, graph.go and failure.go;
// prompts.go questions; person.go what is the person's own; words.go and translations the
// language.
package gui

import (
	"context"
	"embed"
	"slices"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"postern/client/localapi"
	"postern/client/prompt"
	"postern/client/secret"
)

//go:embed translations
var translations embed.FS

// UI is the window's content. All of it belongs to Fyne's goroutine, except Close.
type UI struct {
	app    fyne.App
	api    *localapi.Client
	person *person
	window fyne.Window // nil until Attach

	snapshot localapi.Snapshot
	system   []localapi.ProfileInfo
	entries  []*entry
	selected string // an entry's key
	lines    map[string]*timeline
	question *question
	banners  map[string]string                     // the last one shown, by tunnel
	offline  *localapi.Reason                      // why the daemon isn't there
	keep     map[string]map[string]localapi.Octets // what is put into the keyring once it worked, by tunnel

	list       *profileList
	connection *connection
	notice     *notice
	tray       *tray
	about      *widget.Label
	started    bool                      // whether what connects at start did
	states     map[string]localapi.State // before the present snapshot; nil: this is the first
	log        *logPage
	diagnosis  *diagnosisPage
	tabs       *container.AppTabs

	ctx     context.Context
	stop    context.CancelFunc
	unwatch context.CancelFunc // ends the watch of the present daemon
	demo    *demo              // nil: none was started
}

// count is what a connection had carried at some time.
type count struct {
	at      time.Time
	in, out uint64
}

// New returns a window's content over the daemon that api reaches. It watches the daemon
// from Start on.
func New(a fyne.App, api *localapi.Client) *UI {
	u := &UI{
		app: a, api: api, person: newPerson(),
		lines: make(map[string]*timeline), banners: make(map[string]string), keep: make(map[string]map[string]localapi.Octets),
	}
	u.ctx, u.stop = context.WithCancel(context.Background())
	_ = lang.AddTranslationsFS(translations, "translations") // the tests read every file
	u.list, u.connection, u.notice = newList(u), newConnection(u), newNotice(u)
	u.tray, u.about = newTray(u), widget.NewLabel("")
	u.log, u.diagnosis = newLogPage(u), newDiagnosisPage(u)
	split := container.NewHSplit(u.list.box, container.NewVScroll(container.NewPadded(u.connection.box)))
	split.Offset = 0.32
	u.tabs = container.NewAppTabs(
		container.NewTabItemWithIcon(lang.L("Connections"), theme.ComputerIcon(), split),
		container.NewTabItemWithIcon(lang.L("Log"), theme.DocumentIcon(), u.log.box),
		container.NewTabItemWithIcon(lang.L("Diagnosis"), theme.SearchIcon(), u.diagnosis.box),
		container.NewTabItemWithIcon(lang.L("Settings"), theme.SettingsIcon(), newSettings(u)),
	)
	u.tabs.OnSelected = func(t *container.TabItem) {
		u.log.leave()
		switch t.Content {
		case u.log.box:
			u.log.follow()
		case u.diagnosis.box:
			u.diagnosis.enter()
		}
	}
	u.reload()
	return u
}

// Content is what to put into a window.
func (u *UI) Content() fyne.CanvasObject {
	return container.NewBorder(u.notice.box, u.notice.hint, nil, nil, u.tabs)
}

// Attach tells the window that shows the content: dialogs belong to it, it takes files
// that are dropped on it, and it hides rather than end where the tray can bring it back.
func (u *UI) Attach(w fyne.Window) {
	u.window = w
	u.applyTheme()
	w.SetMainMenu(u.menu(w.Canvas()))
	u.pasted(w.Canvas())
	w.SetOnDropped(func(_ fyne.Position, uris []fyne.URI) {
		var paths []string
		for _, uri := range uris {
			if uri.Scheme() == "file" {
				paths = append(paths, uri.Path())
			}
		}
		u.Open(paths...)
	})
	w.SetCloseIntercept(func() {
		u.keepSize()
		if u.tray.app != nil && HasTray() {
			w.Hide()
			return
		}
		u.Quit()
	})
	u.tray.show(u.entries) // a symbol that comes after the program's start, Fyne doesn't show
}

// Size is how large the window was when it was closed last.
func (u *UI) Size() fyne.Size {
	p := u.app.Preferences()
	return fyne.NewSize(float32(p.FloatWithFallback(prefWidth, 900)), float32(p.FloatWithFallback(prefHeight, 740)))
}

// keepSize remembers it.
func (u *UI) keepSize() {
	if s := u.window.Canvas().Size(); s.Width > 0 && s.Height > 0 {
		u.app.Preferences().SetFloat(prefWidth, float64(s.Width))
		u.app.Preferences().SetFloat(prefHeight, float64(s.Height))
	}
}

// Close ends what runs beside the window, a demonstration too.
func (u *UI) Close() {
	u.stop()
	u.demo.end()
}

// show brings everything up to date with a snapshot.
func (u *UI) show(s localapi.Snapshot) {
	u.snapshot, u.offline = s, nil
	now := time.Now()
	for i := range s.Tunnels {
		t := &s.Tunnels[i]
		if t.State == localapi.Failed && t.Reason != nil && t.Reason.Code == "cancelled" {
			t.State, t.Reason = localapi.Down, nil // who declined knows, and nothing is wrong
		}
		if u.lines[t.ID] == nil {
			u.lines[t.ID] = &timeline{}
		}
		u.lines[t.ID].note(t.Status)
		u.keepWhatWorked(t)
	}
	u.noteStates()
	u.refresh(now)
	u.ask()
	u.connectAtStart()
}

// connectAtStart connects the person's own profiles that say so, once.
func (u *UI) connectAtStart() {
	if u.started || !u.snapshot.Control {
		return
	}
	u.started = true
	for _, e := range u.entries {
		if p := u.person.find(e.name); e.own && p != nil && p.Autoconnect && !e.busy() {
			u.connect(e)
		}
	}
}

// noteStates tells what has changed since the snapshot before.
func (u *UI) noteStates() {
	states := make(map[string]localapi.State)
	for i := range u.snapshot.Tunnels {
		t := &u.snapshot.Tunnels[i]
		states[t.ID] = t.State
		if u.states != nil {
			u.notify(u.states[t.ID], t)
		}
		if t.State == localapi.Up && t.Tunnel != nil {
			setPref(u.app.Preferences(), prefLast+u.person.nameOf(t.ID), t.Tunnel.Since.Format(time.RFC3339))
		}
	}
	u.states = states
}

// refresh shows what is known already, at another time or with other profiles.
func (u *UI) refresh(now time.Time) {
	u.entries = entries(u.person.own(), u.system, u.person.policies, u.snapshot, u.person.id)
	for _, e := range u.entries {
		e.last, _ = time.Parse(time.RFC3339, u.app.Preferences().String(prefLast+e.name)) // none: zero
	}
	if u.entry() == nil && len(u.entries) > 0 {
		u.selected = u.first()
	}
	u.list.show(u.entries, u.selected)
	u.showTitle()
	u.connection.show(u.entry(), now)
	u.notice.show()
	setText(u.about, "postern "+u.snapshot.Version)
	u.tray.show(u.entries)
	if u.question != nil {
		u.question.tick(now)
	}
}

// showTitle tells in the window's title where the selected connection stands: that is
// what a list of windows shows.
func (u *UI) showTitle() {
	title := "postern"
	if e := u.entry(); e != nil {
		title = e.name + ": " + stateWords(e.state()) + " – postern"
	}
	if u.window != nil && u.window.Title() != title {
		u.window.SetTitle(title)
	}
}

// first is what is shown before the person chooses: what is connected, what they looked at
// last, or the first.
func (u *UI) first() string {
	for _, e := range u.entries {
		if e.busy() {
			return e.key
		}
	}
	last := u.app.Preferences().String(prefSelected)
	if slices.ContainsFunc(u.entries, func(e *entry) bool { return e.key == last }) {
		return last
	}
	return u.entries[0].key
}

// entry is the selected one, nil for none.
func (u *UI) entry() *entry {
	for _, e := range u.entries {
		if e.key == u.selected {
			return e
		}
	}
	return nil
}

// choose selects an entry.
func (u *UI) choose(key string) {
	if u.selected == key {
		return
	}
	u.selected = key
	setPref(u.app.Preferences(), prefSelected, key)
	u.connection.graph.clear()
	u.refresh(time.Now())
}

// ask shows the prompt that waits, and takes away one that nobody waits for any more.
func (u *UI) ask() {
	var waiting *localapi.Tunnel
	for i := range u.snapshot.Tunnels {
		t := &u.snapshot.Tunnels[i]
		if t.Prompt != nil && (waiting == nil || u.question != nil && t.ID == u.question.tunnel) {
			waiting = t
		}
	}
	if u.question != nil && (waiting == nil || waiting.ID != u.question.tunnel || waiting.Prompt.ID != u.question.prompt.ID) {
		u.question.dismiss()
		u.question = nil
	}
	if waiting == nil || u.question != nil || u.window == nil {
		return
	}
	id, p := waiting.ID, *waiting.Prompt
	u.question = newQuestion(id, p, secret.Available() == nil && u.person.mayKeep(u.person.nameOf(id)) && keepable(u.person.nameOf(id), p), u.demo.hint(waiting.Profile), u.window, func(answers map[string]localapi.Octets, keep bool) {
		u.question = nil
		if keep {
			u.remember(id, answers)
		}
		u.call(func(ctx context.Context, api *localapi.Client) error {
			defer clearAll(answers)
			return api.Answer(ctx, localapi.AnswerRequest{Tunnel: id, Prompt: p.ID, Answers: answers, Cancel: answers == nil})
		})
	})
	u.question.show(u.window)
	u.raise() // it may be in the tray
}

// keepable says whether a prompt asks for what may be kept: no code, which is good once.
func keepable(name string, p prompt.Prompt) bool {
	return name != "" && slices.ContainsFunc(p.Fields, func(f prompt.Field) bool { return f.Kind == prompt.Secret && kept[f.Name] != "" })
}

// remember notes what was typed until it has proved right.
func (u *UI) remember(id string, answers map[string]localapi.Octets) {
	if u.keep[id] == nil {
		u.keep[id] = make(map[string]localapi.Octets)
	}
	for name, a := range answers {
		u.keep[id][name] = append(localapi.Octets(nil), a...)
	}
}

// keepWhatWorked puts what was typed into the keyring when the connection is up, and
// forgets it when it failed.
func (u *UI) keepWhatWorked(t *localapi.Tunnel) {
	answers := u.keep[t.ID]
	switch {
	case answers == nil:
		return
	case t.State == localapi.Up && (t.Tunnel == nil || !t.Tunnel.SavePassword):
		clearAll(answers) // the gateway, or an administrator, doesn't allow it
	case t.State == localapi.Up:
		id := t.ID
		u.call(func(context.Context, *localapi.Client) error {
			defer clearAll(answers)
			return u.person.keep(id, answers)
		})
	case t.State == localapi.Failed || t.State == localapi.Down:
		clearAll(answers)
	default:
		return
	}
	delete(u.keep, t.ID)
}

func clearAll(values map[string]localapi.Octets) {
	for _, v := range values {
		v.Clear()
	}
}

// call runs a call to the daemon beside Fyne's goroutine, and shows why it failed.
func (u *UI) call(f func(context.Context, *localapi.Client) error) {
	api := u.api
	go func() {
		if err := f(u.ctx, api); err != nil && u.ctx.Err() == nil {
			fyne.Do(func() { u.complain(err) })
		}
	}()
}

// reload reads the person's profiles again and shows them.
func (u *UI) reload() {
	u.person.load()
	u.refresh(time.Now())
}

// button is one with a symbol.
func button(text string, icon fyne.Resource, f func()) *widget.Button {
	return widget.NewButtonWithIcon(text, icon, f)
}
