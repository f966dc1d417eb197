package localapi

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// As whom the children run: Debian's nobody, and groups that needn't have a name.
const (
	nobodyUID = 65534
	nobodyGID = 65534
)

var extraGroups = []uint32{4242, 4243}

// children are what this test program does when it is started as another user.
var children = map[string]func(socket string) string{
	"version": func(socket string) string { _, err := New(socket).Version(waiting()); return answerOf(err) },
	"connect": func(socket string) string {
		_, err := New(socket).Connect(waiting(), ConnectRequest{Profile: "office"})
		return answerOf(err)
	},
	"limit":  limitChild,
	"secret": secretChild,
}

func TestMain(m *testing.M) {
	if child := children[os.Getenv("POSTERN_TEST_CHILD")]; child != nil {
		fmt.Print(child(os.Getenv("POSTERN_TEST_SOCKET")))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// waiting is a context for a call in a child.
func waiting() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	context.AfterFunc(ctx, cancel)
	return ctx
}

// asNobody skips a test that can't start a process as another user.
func asNobody(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("starts a process as another user, which needs root")
	}
}

// child starts this program anew and returns what it says.
func child(t *testing.T, name, socket string, as *syscall.Credential) string {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	// The folder of the test program may be root's only.
	program := socket + "-test"
	if err := os.WriteFile(program, self, 0o755); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), program)
	c.Dir = "/"
	c.Env = []string{"POSTERN_TEST_CHILD=" + name, "POSTERN_TEST_SOCKET=" + socket}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func nobody(t *testing.T, name, socket string) string {
	t.Helper()
	return child(t, name, socket, &syscall.Credential{Uid: nobodyUID, Gid: nobodyGID, Groups: extraGroups})
}

// TestPeerOfAnotherUser proves that the credentials are those of the process that calls.
func TestPeerOfAnotherUser(t *testing.T) {
	asNobody(t)
	d := newDesk(example())
	seen := make(chan Caller, 8)
	socket := serve(t, spy{d, seen}, Options{})
	out := nobody(t, "version", socket)
	if out != "served" {
		t.Fatal(out)
	}
	if out := nobody(t, "connect", socket); out != "served" {
		t.Fatal(out)
	}
	got := <-seen
	if got.UID != nobodyUID || got.PID <= 1 || int(got.PID) == os.Getpid() {
		t.Errorf("caller %+v", got)
	}
	want := append([]uint32{nobodyGID}, extraGroups...)
	if !slices.Equal(got.GIDs, want) {
		t.Errorf("groups %v, want %v", got.GIDs, want)
	}
	if _, err := strconv.Atoi(got.Name); err == nil && hasPasswd(nobodyUID) {
		t.Errorf("name %q", got.Name)
	}
}

func hasPasswd(uid int) bool {
	b, _ := os.ReadFile("/etc/passwd")
	return strings.Contains(string(b), fmt.Sprintf(":x:%d:", uid))
}

// spy tells who connects.
type spy struct {
	*desk
	seen chan Caller
}

func (s spy) Connect(_ context.Context, c Caller, _ ConnectRequest) (ConnectReply, error) {
	s.seen <- c
	return ConnectReply{ID: "x"}, nil
}

// TestSocketOfAnotherUser has a person call the daemon that another has for themselves.
func TestSocketOfAnotherUser(t *testing.T) {
	asNobody(t)
	socket := serve(t, newDesk(example()), Options{})
	if err := os.Chmod(socket, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := nobody(t, "version", socket); !strings.Contains(out, "You may not open") {
		t.Error(out)
	}
}

// TestPeerWithManyGroups has more groups than fit at first.
func TestPeerWithManyGroups(t *testing.T) {
	asNobody(t)
	var groups []uint32
	for i := range uint32(1000) {
		groups = append(groups, 10000+i)
	}
	seen := make(chan Caller, 8)
	socket := serve(t, spy{newDesk(example()), seen}, Options{})
	if out := child(t, "connect", socket, &syscall.Credential{Uid: 70123, Gid: 70123, Groups: groups}); out != "served" {
		t.Fatal(out)
	}
	got := <-seen
	if want := append([]uint32{70123}, groups...); !slices.Equal(got.GIDs, want) {
		t.Errorf("%d groups, want %d", len(got.GIDs), len(want))
	}
	if got.Name != "70123" {
		t.Errorf("a user without a name is %q", got.Name)
	}
}

// TestNames sees what is remembered grow old, and stay bounded.
func TestNames(t *testing.T) {
	var n names
	for uid := range uint32(maxNames + 10) {
		if n.of(1<<20+uid) != strconv.Itoa(1<<20+int(uid)) {
			t.Fatalf("name of %d", uid)
		}
	}
	if len(n.known) > maxNames {
		t.Errorf("%d names", len(n.known))
	}
	if hasPasswd(0) && n.of(0) != "root" {
		t.Errorf("root is %q", n.of(0))
	}
}
