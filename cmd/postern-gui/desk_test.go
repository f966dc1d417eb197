//go:build linux

package main_test

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"postern/client/localapi"
)

// The window's tests drive the program that make built, which POSTERN_GUI names, with the
// command line's program beside it. Each test has a desk of its own.

var update = flag.Bool("update", false, "write docs/screens")

// patience is for what is bound to happen, on however busy a machine.
var patience = flag.Duration("patience", 2*time.Minute, "how long to wait for what is bound to happen")

// desk is a display with a window manager and a session's bus, a home, and what runs there.
type desk struct {
	*testing.T
	look
	folder string // everything below is in it
	env    []string
	socket string
	api    *localapi.Client
	said   *buffer  // by the daemon
	window string   // its number, as xdotool writes it
	within []string // what postern's programs are started by; nil: nothing
}

// look is how the window is shown.
type look struct {
	theme string
	scale int
}

func (l look) String() string {
	if l.scale > 1 {
		return fmt.Sprintf("%s-%dx", l.theme, l.scale)
	}
	return l.theme
}

// scene plays a scene once, or with -update for pictures in each look, up to so many
// times the usual size. One after the other: each daemon chooses the first free port for
// its proxy.
func scene(t *testing.T, scale int, play func(d *desk)) {
	t.Helper()
	looks := []look{{"light", 1}}
	if *update {
		looks = append(looks, look{"dark", 1})
		for s := 2; s <= scale; s++ {
			looks = append(looks, look{"light", s}, look{"dark", s})
		}
	}
	for _, l := range looks {
		t.Run(l.String(), func(t *testing.T) {
			play(newDesk(t, l))
		})
	}
}

// built is the window's program.
func built(t *testing.T) string {
	t.Helper()
	gui := os.Getenv("POSTERN_GUI")
	if gui == "" {
		t.Skip("POSTERN_GUI doesn't name the window's program; remedy: make window")
	}
	for _, path := range []string{gui, filepath.Join(filepath.Dir(gui), "postern")} {
		if _, err := os.Stat(path); err != nil {
			t.Fatal(err)
		}
	}
	return gui
}

// newDesk starts a display, a window manager and a bus.
func newDesk(t *testing.T, l look) *desk {
	t.Helper()
	built(t)
	need(t, "Xvfb", "openbox", "dbus-daemon", "xdotool", "xprop", "import")
	folder, err := os.MkdirTemp("", "postern-desk-") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	d := &desk{T: t, look: l, folder: folder, socket: filepath.Join(folder, "daemon"), said: new(buffer)}
	d.api = localapi.New(d.socket)
	for _, sub := range []string{"home", "run", "tmp"} {
		if err := os.Mkdir(filepath.Join(folder, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	bus := "unix:path=" + filepath.Join(folder, "bus")
	d.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(folder, "home"), "XDG_RUNTIME_DIR=" + filepath.Join(folder, "run"),
		"TMPDIR=" + filepath.Join(folder, "tmp"), "LANG=en_US.UTF-8", "LIBGL_ALWAYS_SOFTWARE=1", "DBUS_SESSION_BUS_ADDRESS=" + bus,
		"FYNE_THEME=" + l.theme, fmt.Sprintf("FYNE_SCALE=%d", l.scale),
	}
	d.display()
	d.write("bus.conf", fmt.Sprintf(busConfig, bus))
	d.run(nil, nil, "dbus-daemon", "--config-file="+filepath.Join(folder, "bus.conf"), "--nofork", "--nosyslog")
	d.until("bus", func() bool { _, err := os.Stat(filepath.Join(folder, "bus")); return err == nil })
	d.run(nil, nil, "openbox", "--sm-disable")
	d.until("window manager", func() bool {
		_, err := d.xdotool("getactivewindow") // needs one that says which it is
		return err == nil || strings.Contains(d.property("root", "_NET_SUPPORTING_WM_CHECK"), "window id")
	})
	return d
}

// busConfig is a bus of which no service is started: no keyring either.
const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>%s</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`

// display starts an X server on a number that is free.
func (d *desk) display() {
	d.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		d.Fatal(err)
	}
	defer r.Close()
	d.run(nil, []*os.File{w}, "Xvfb", "-displayfd", "3", "-screen", "0", "1900x1600x24", "-nolisten", "tcp", "-noreset", "+extension", "GLX")
	w.Close()
	_ = r.SetReadDeadline(time.Now().Add(*patience))
	number, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		d.Fatal("Xvfb didn't start: ", err)
	}
	d.env = append(d.env, "DISPLAY=:"+strings.TrimSpace(number))
}

// process is a program that ends with the test.
type process struct {
	*exec.Cmd
	ended chan struct{} // closed then; err is set before
	err   error
}

// run starts a program on the desk. out takes what it says; nil: the test's log does if
// the test fails.
func (d *desk) run(out io.Writer, files []*os.File, program string, args ...string) *process {
	d.Helper()
	if out == nil {
		log := new(buffer)
		d.Cleanup(func() {
			if d.Failed() && log.String() != "" {
				d.Logf("%s said:\n%s", filepath.Base(program), log)
			}
		})
		out = log
	}
	if strings.HasPrefix(filepath.Base(program), "postern") && d.within != nil {
		args = slices.Concat(d.within[1:], []string{program}, args)
		program = d.within[0]
	}
	p := &process{Cmd: exec.Command(program, args...), ended: make(chan struct{})}
	p.Env, p.Dir, p.ExtraFiles, p.Stdout, p.Stderr = d.env, d.folder, files, out, out
	p.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // also when the tests are killed
	p.WaitDelay = 5 * time.Second
	if err := p.Start(); err != nil {
		d.Fatal(err)
	}
	go func() { p.err = p.Wait(); close(p.ended) }()
	d.Cleanup(p.end)
	return p
}

// end ends it, by its number.
func (p *process) end() {
	_ = p.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		_ = p.Process.Kill()
		<-p.ended
	}
}

// daemon starts postern daemon --user --demo.
func (d *desk) daemon() *process {
	d.Helper()
	program := filepath.Join(filepath.Dir(built(d.T)), "postern")
	p := d.run(d.said, nil, program, "daemon", "--user", "--demo", "--socket", d.socket)
	d.until("daemon", func() bool { _, err := d.api.Snapshot(d.Context()); return err == nil })
	return p
}

// profile puts a profile into the person's folder.
func (d *desk) profile(name, text string) {
	d.Helper()
	d.write("home/.config/postern/profiles/"+name+".toml", fmt.Sprintf("name = %q\n%s", name, text))
}

// write makes a file of the desk's, and returns its path.
func (d *desk) write(name, text string) string {
	d.Helper()
	path := filepath.Join(d.folder, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		d.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		d.Fatal(err)
	}
	return path
}

// gui starts the window and waits until it can be typed into.
func (d *desk) gui(args ...string) *process {
	d.Helper()
	p := d.run(nil, nil, built(d.T), append([]string{"--socket", d.socket}, args...)...)
	d.until("window", func() bool {
		out, err := d.xdotool("search", "--onlyvisible", "--name", `postern$`)
		d.window = strings.TrimSpace(out)
		return err == nil && d.window != "" && !strings.Contains(d.window, "\n")
	})
	d.focused()
	return p
}

// focused waits until the window is the one that is typed into.
func (d *desk) focused() {
	d.Helper()
	d.until("focus", func() bool {
		out, err := d.xdotool("getwindowfocus")
		if err == nil && strings.TrimSpace(out) == d.window {
			return true
		}
		_, _ = d.xdotool("windowactivate", d.window)
		return false
	})
}

// output runs a short program on the desk.
func (d *desk) output(program string, args ...string) ([]byte, error) {
	c := exec.CommandContext(d.Context(), program, args...)
	c.Env = d.env
	return c.Output()
}

func (d *desk) xdotool(args ...string) (string, error) {
	out, err := d.output("xdotool", args...)
	return string(out), err
}

// property is a property of a window, as xprop prints it.
func (d *desk) property(window, name string) string {
	args := []string{"-id", window, name}
	if window == "root" {
		args = []string{"-root", name}
	}
	out, _ := d.output("xprop", args...)
	return string(out)
}

// keys presses keys, one after the other.
func (d *desk) keys(keys ...string) {
	d.Helper()
	for _, k := range keys {
		if out, err := d.xdotool("key", "--delay", "60", k); err != nil {
			d.Fatalf("key %s: %v %s", k, err, out)
		}
	}
}

// click clicks a place of the window, in Fyne's units from its upper left corner; less
// than 0: from the right or the lower end.
func (d *desk) click(x, y int) {
	d.Helper()
	img, err := png.Decode(bytes.NewReader(d.settled()))
	if err != nil {
		d.Fatal(err)
	}
	at := func(v, size int) string {
		if v *= d.scale; v < 0 {
			v += size
		}
		return strconv.Itoa(v)
	}
	for _, args := range [][]string{{"mousemove", "--sync", "--window", d.window, at(x, img.Bounds().Dx()), at(y, img.Bounds().Dy())}, {"click", "1"}} {
		if out, err := d.xdotool(args...); err != nil {
			d.Fatalf("xdotool %v: %v %s", args, err, out)
		}
		time.Sleep(200 * time.Millisecond) // between moving and pressing, as a hand does
	}
}

// types types a text into what has the focus.
func (d *desk) types(text string) {
	d.Helper()
	if out, err := d.xdotool("type", "--delay", "60", text); err != nil {
		d.Fatalf("typing: %v %s", err, out)
	}
}

// title is the window's.
func (d *desk) title() string {
	out, _ := d.xdotool("getwindowname", d.window)
	return strings.TrimSpace(out)
}

// shows waits until the window's title begins so.
func (d *desk) shows(title string) {
	d.Helper()
	d.until("title "+title, func() bool { return strings.HasPrefix(d.title(), title) })
}

// choose selects a profile with the keys.
func (d *desk) choose(name string) {
	d.Helper()
	d.until("profile "+name, func() bool {
		if strings.HasPrefix(d.title(), name+": ") {
			return true
		}
		before, key := d.title(), "ctrl+Down"
		if shown, _, _ := strings.Cut(before, ": "); name < shown {
			key = "ctrl+Up"
		}
		d.keys(key)
		for end := time.Now().Add(2 * time.Second); d.title() == before && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
		}
		return false
	})
}

// tunnel is what the daemon says of a connection; nil: there is none.
func (d *desk) tunnel(name string) *localapi.Tunnel {
	s, err := d.api.Snapshot(d.Context())
	if err != nil {
		return nil
	}
	for i := range s.Tunnels {
		if s.Tunnels[i].Profile == name {
			return &s.Tunnels[i]
		}
	}
	return nil
}

// reasons are those that the daemon gives for what isn't connected.
func (d *desk) reasons() string {
	s, err := d.api.Snapshot(context.Background())
	text := fmt.Sprint("its reasons: ", err)
	for _, t := range s.Tunnels {
		text += fmt.Sprintf("; %s %s %+v", t.Profile, t.State, t.Reason)
	}
	return text
}

// until waits for what is bound to happen.
func (d *desk) until(what string, is func() bool) {
	d.Helper()
	for end := time.Now().Add(*patience); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			d.Fatalf("in %v there was no %s; the window's title is %q; the daemon said:\n%s%s", *patience, what, d.title(), d.said, d.reasons())
		}
	}
}

// ends waits until a program has ended, and says how.
func (d *desk) ends(p *process) error {
	d.Helper()
	select {
	case <-p.ended:
		return p.err
	case <-time.After(*patience):
		d.Fatalf("%s didn't end", filepath.Base(p.Path))
		return nil
	}
}

// buffer is written to while it is read.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
