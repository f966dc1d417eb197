package hostnet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestMain is also the programs that the tests start: the process that is killed, and a resolvconf.
func TestMain(m *testing.M) {
	switch job := os.Getenv("HOSTNET_TEST_JOB"); {
	case filepath.Base(os.Args[0]) == "resolvconf":
		os.Exit(fakeResolvconf())
	case job == "noise":
		fmt.Fprintln(os.Stderr, noiseMaker())
		os.Exit(1)
	case job == "guard", job == "guard-full":
		fmt.Fprintln(os.Stderr, guardHolder(job == "guard-full"))
		os.Exit(1)
	case job != "":
		fmt.Fprintln(os.Stderr, victim(job, os.Getenv("HOSTNET_TEST_STEP")))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// victim sets the host up and dies of SIGKILL at the given step. It returns only when something fails.
//
//	apply    after so many steps of Apply
//	restore  after so many steps were undone
//	loop     never by itself: sets up, updates and restores until somebody else kills it
func victim(job, step string) error {
	n, err := strconv.Atoi(step)
	if err != nil {
		return err
	}
	if os.Getenv("HOSTNET_TEST_TUN") != "" {
		tun, err := tunDevice("ptun0")
		if err != nil {
			return err
		}
		defer tun.Close() // and not by the garbage collector before
	}
	h, err := open(os.Getenv("HOSTNET_TEST_STATE"))
	if err != nil {
		return err
	}
	h.resolvConf, h.resolvconf, h.bus = os.Getenv("HOSTNET_TEST_RESOLVCONF"), "", noBus
	ctx := context.Background()
	if job == "loop" {
		for {
			a, err := h.apply(ctx, fullTunnel())
			if err != nil {
				return err
			}
			for _, c := range configs() {
				if err := a.Update(ctx, c); err != nil {
					return err
				}
			}
			if err := a.Restore(); err != nil {
				return err
			}
			if h2, err := open(h.dir); err == nil {
				h.nl = h2.nl
			}
		}
	}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return err
	}
	r, err := h.plan(ctx, fullTunnel(), &Applied{}, &record{})
	if err != nil {
		return err
	}
	if err := r.save(filepath.Join(h.dir, r.fileName())); err != nil {
		return err
	}
	steps := r.Steps
	if job == "apply" {
		steps = steps[:n]
	}
	for _, s := range steps {
		if err := s.action().do(ctx, h); err != nil {
			return fmt.Errorf("%s: %w", s.action(), err)
		}
	}
	if job == "restore" {
		for _, s := range slices.Backward(r.Steps[len(r.Steps)-n:]) {
			if err := s.action().undo(h); err != nil {
				return fmt.Errorf("%s: %w", s.action(), err)
			}
		}
	}
	return unix.Kill(os.Getpid(), unix.SIGKILL)
}

// command is this test binary in another part, in the calling thread's namespaces.
func command(t *testing.T, h *host, job string, step int, ownTUN bool) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), "HOSTNET_TEST_JOB="+job, "HOSTNET_TEST_STEP="+strconv.Itoa(step),
		"HOSTNET_TEST_STATE="+h.dir, "HOSTNET_TEST_RESOLVCONF="+h.resolvConf)
	if ownTUN {
		cmd.Env = append(cmd.Env, "HOSTNET_TEST_TUN=1")
	}
	cmd.Stderr = os.Stderr
	return cmd
}

// A process that is killed at any step of set-up or restoration leaves nothing that the next start doesn't put back:
// both where the device ends with the process and where it doesn't.
func TestKilledAtEveryStep(t *testing.T) {
	for _, ownTUN := range []bool{true, false} {
		for _, job := range []string{"apply", "restore"} {
			t.Run(fmt.Sprintf("%s, device dies %t", job, ownTUN), func(t *testing.T) {
				isolate(t)
				tun := openTUN(t, "ptun0")
				h := testHost(t, someResolvConf)
				r, err := h.plan(t.Context(), fullTunnel(), &Applied{}, &record{})
				check(t, err)
				if ownTUN {
					check(t, tun.Close())
				}
				before := snapshot(t, h)
				changed := 0
				every := 1
				if testing.Short() {
					every = 7
				}
				for n := 0; n <= len(r.Steps); n += every {
					cmd := command(t, h, job, n, ownTUN)
					if err := cmd.Run(); cmd.ProcessState == nil || err.Error() != "signal: killed" {
						t.Fatalf("step %d: the process ended with: %v", n, err)
					}
					if snapshot(t, h) != before {
						changed++
					}
					check(t, h.recover())
					if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
						t.Fatalf("killed after %d steps of %d (-before +after)\n%s", n, len(r.Steps), diff)
					}
					if left := h.records(); len(left) > 0 {
						t.Fatalf("killed after %d steps: %q stays", n, left)
					}
				}
				if changed < 2 {
					t.Error("the process that is killed changes nothing")
				}
			})
		}
	}
}

// The same at moments that nobody chose.
func TestKilledAtRandom(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	before := snapshot(t, h)
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	for n := range rounds {
		cmd := command(t, h, "loop", 0, false)
		check(t, cmd.Start())
		for end := time.Now().Add(10 * time.Second); len(h.records()) == 0 && time.Now().Before(end); {
			time.Sleep(time.Millisecond) // until it has begun
		}
		time.Sleep(rand.N(100 * time.Millisecond))
		check(t, cmd.Process.Kill())
		if err := cmd.Wait(); err.Error() != "signal: killed" {
			t.Fatalf("the process ended with: %v", err)
		}
		check(t, h.recover())
		if diff := cmp.Diff(before, snapshot(t, h)); diff != "" {
			t.Fatalf("kill %d (-before +after)\n%s", n, diff)
		}
	}
}

// What a process that lives has set up isn't taken back by another one; nor what belongs to another namespace.
func TestLiveOwnerStays(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	a, err := h.apply(t.Context(), fullTunnel())
	check(t, err)
	up := snapshot(t, h)
	check(t, h.recover())
	if diff := cmp.Diff(up, snapshot(t, h)); diff != "" {
		t.Errorf("recovered from a live process (-before +after)\n%s", diff)
	}

	r, err := load(a.file)
	check(t, err)
	r.Owner.Start++ // the same process id, another process
	check(t, r.save(a.file))
	elsewhere := *h
	elsewhere.namespace++
	check(t, elsewhere.recover())
	if diff := cmp.Diff(up, snapshot(t, h)); diff != "" {
		t.Errorf("recovered in another namespace (-before +after)\n%s", diff)
	}
	check(t, Recover(h.dir))
	if left := ourRoutes(t); len(left) > 0 {
		t.Errorf("a dead owner's routes stay: %v", left)
	}
}

// TestHalfAStateFile: what was left by a process that died while it wrote a state file goes.
func TestHalfAStateFile(t *testing.T) {
	isolate(t)
	h := testHost(t, someResolvConf)
	check(t, os.MkdirAll(h.dir, 0o700))
	for _, name := range []string{"net-1-postern0.json.tmp", "guard-1-postern.json.tmp"} {
		check(t, os.WriteFile(filepath.Join(h.dir, name), []byte(`{"schema": 1, "ow`), 0o600))
	}
	check(t, Recover(h.dir))
	if left, _ := filepath.Glob(filepath.Join(h.dir, "*.tmp")); len(left) > 0 {
		t.Errorf("left %q", left)
	}
}

// After another boot only files need to be put back, whatever has the device's number by now.
func TestRecoverAfterReboot(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	a, err := h.apply(t.Context(), fullTunnel())
	check(t, err)
	r, err := load(a.file)
	check(t, err)
	r.Owner.Boot, r.Namespace = "another", r.Namespace+1
	check(t, os.Remove(a.file))
	check(t, r.save(filepath.Join(h.dir, r.fileName())))
	routes := len(ourRoutes(t))
	check(t, h.recover())
	if text, _ := os.ReadFile(h.resolvConf); string(text) != someResolvConf {
		t.Errorf("resolv.conf: %q", text)
	}
	if n := len(ourRoutes(t)); n != routes {
		t.Errorf("%d routes, before %d", n, routes)
	}
}

// A state file that can't be read is named, and keeps nobody from connecting.
func TestBrokenState(t *testing.T) {
	isolate(t)
	openTUN(t, "ptun0")
	h := testHost(t, someResolvConf)
	check(t, os.MkdirAll(h.dir, 0o700))
	for name, text := range map[string]string{"net-1-x.json": "{", "net-2-y.json": `{"schema": 7}`, "net-3-z.json": ""} {
		check(t, os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600))
	}
	if err := Recover(h.dir); err == nil {
		t.Error("no error")
	}
	a, err := h.apply(t.Context(), fullTunnel())
	check(t, err)
	if len(a.Warnings()) != 1 {
		t.Errorf("warnings: %q", a.Warnings())
	}
	check(t, a.Restore())
	if err := Recover(filepath.Join(h.dir, "nowhere")); err != nil {
		t.Error(err)
	}
}
