//go:build linux

package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// How long a client may take until it gives up: a wrong key in Main Mode is silence.
const waitForRefusal = 90 * time.Second

// The interface that postern is told to make.
const posternInterface = "postern0"

// built is the folder of our programs, made at the first call.
var built = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("POSTERN_BIN"); dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", fmt.Sprintf("ptn-%d-bin-", os.Getpid()))
	if err != nil {
		return "", err
	}
	c := exec.Command("go", "build", "-o", dir+"/", "./cmd/postern", "./cmd/concentrator")
	c.Dir = "../.."
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(c.Args, " "), err, out)
	}
	return dir, nil
})

// removeBuilt removes what built made.
func removeBuilt() {
	mine, _ := filepath.Glob(filepath.Join(os.TempDir(), fmt.Sprintf("ptn-%d-bin-*", os.Getpid())))
	for _, dir := range mine {
		os.RemoveAll(dir)
	}
}

// program returns the path of postern or concentrator.
func program(t *testing.T, name string) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// Settings are the keys of a profile file.
type settings map[string]any

// profile is what a user of this gateway would write down.
func (s swan) profile() settings {
	p := settings{
		"name": "lab", "gateway": gatewayAddress, "interface": posternInterface,
		"mode": "main", "secret": s.Secret, "ike": []string{s.IKE}, "esp": []string{s.ESP}, "xauth": s.User != "",
	}
	if s.Aggressive {
		p["mode"] = "aggressive"
	}
	if id, ok := strings.CutPrefix(s.Group, "keyid:"); ok {
		p["identity"], p["identity_type"] = id, "key-id"
	}
	if s.User != "" {
		p["user"], p["password"] = s.User, s.Password
	}
	if s.Proof != "" {
		s.certify(p)
	}
	return p
}

// with returns the settings, changed.
func (p settings) with(change settings) settings {
	p = maps.Clone(p)
	maps.Copy(p, change)
	return p
}

// A postern is a running `postern run`.
type postern struct{ *process }

// postern starts `postern run` in the lab's client.
func (l *lab) postern(p settings, args ...string) *postern {
	l.t.Helper()
	run := []string{program(l.t, "postern"), "run", l.profile(p), "--json", "--no-prompt", "--state-dir", filepath.Join(l.dir, "state")}
	return &postern{l.client.start(nil, append(run, args...)...)}
}

// posternOnTerminal is postern with a terminal of its own and somebody at the keyboard.
func (l *lab) posternOnTerminal(p settings) (*postern, *os.File) {
	l.t.Helper()
	path := filepath.Join(l.dir, "keyboard")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		l.t.Fatal(err)
	}
	keyboard, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { keyboard.Close() })
	run := program(l.t, "postern") + " run " + l.profile(p) + " --json --state-dir " + filepath.Join(l.dir, "state")
	return &postern{l.client.start(nil, "sh", "-c", `exec script -qefc "$1" /dev/null <"$2"`, "sh", run, path)}, keyboard
}

// rootless starts `postern run --rootless` in the lab's client, as somebody without any privilege.
func (l *lab) rootless(p settings, args ...string) *postern {
	l.t.Helper()
	const nobody = 65534
	file := l.profile(p)
	own := copyProgram(l.t, program(l.t, "postern"), l.folder("rootless"))
	for _, path := range []string{file, own, filepath.Dir(own)} {
		if err := os.Chown(path, nobody, nobody); err != nil {
			l.t.Fatal(err)
		}
	}
	if err := os.Chmod(l.dir, 0o711); err != nil {
		l.t.Fatal(err)
	}
	run := []string{"setpriv", "--reuid", strconv.Itoa(nobody), "--regid", strconv.Itoa(nobody), "--clear-groups", "--no-new-privs"}
	run = append(run, own, "run", file, "--json", "--no-prompt", "--rootless")
	return &postern{l.client.start(nil, append(run, args...)...)}
}

// profile writes a profile file.
func (l *lab) profile(p settings) string {
	l.t.Helper()
	text, err := toml.Marshal(map[string]any(p))
	if err != nil {
		l.t.Fatal(err)
	}
	return l.write("lab.toml", string(text))
}

// A snapshot is what these tests read of a status object.
type snapshot struct {
	Schema int
	State  string
	Reason struct {
		Code, Message string
		Exit          int
	}
}

// statuses reads the status objects that postern wrote so far, one a line.
func (p *postern) statuses() []snapshot {
	p.node.lab.t.Helper()
	var all []snapshot
	for line := range strings.Lines(p.said.String()) {
		if !strings.HasPrefix(line, "{") || !strings.HasSuffix(line, "\n") {
			continue
		}
		var s snapshot
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			p.node.lab.t.Fatalf("status %q: %v", line, err)
		}
		if s.Schema != 1 {
			p.node.lab.t.Fatalf("status %q: schema %d, want 1", line, s.Schema)
		}
		all = append(all, s)
	}
	return all
}

// up waits until the connection is.
func (p *postern) up() {
	l := p.node.lab
	l.t.Helper()
	l.eventually("postern's state up", func() bool {
		p.running()
		all := p.statuses()
		return len(all) > 0 && all[len(all)-1].State == "up"
	})
}

// refused waits until postern has ended by itself and returns its exit code and its last status.
func (p *postern) refused() (int, snapshot) {
	p.node.lab.t.Helper()
	code, err := p.wait(waitForRefusal)
	if err != nil {
		p.node.lab.t.Fatal(err)
	}
	all := p.statuses()
	if len(all) == 0 {
		p.node.lab.t.Fatalf("%s: ended with %d and no status", p.name, code)
	}
	return code, all[len(all)-1]
}

// quit ends the connection as a user would and checks that it leaves nothing behind: routes, addresses and resolver are
// as they were before.
func (p *postern) quit(before string) {
	p.node.lab.t.Helper()
	p.signal(syscall.SIGINT)
	code, err := p.wait(patience)
	if err != nil {
		p.node.lab.t.Fatal(err)
	}
	if code != 0 {
		p.node.lab.t.Errorf("postern ended with %d after an interrupt, want 0", code)
	}
	if after := p.node.network(); after != before {
		p.node.lab.t.Errorf("postern left the network changed\nbefore:\n%s\nafter:\n%s", before, after)
	}
}

// network tells what a VPN client changes on a machine.
func (n *node) network() string {
	n.lab.t.Helper()
	resolver, err := os.ReadFile(n.resolver)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		n.lab.t.Fatal(err)
	}
	return n.ip("-4", "-brief", "address") + n.ip("route", "show", "table", "all", "type", "unicast") + n.ip("rule") + string(resolver)
}
