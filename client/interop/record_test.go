//go:build linux

package interop

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"postern/ike"
	"postern/ike/iketest"
)

var update = flag.Bool("update", false, "write the golden flows anew, as recorded with the real peers")

// A flowCase is a golden flow: what our end is set up with, and which peer it meets.
type flowCase struct {
	name, about string
	setup       map[string]string // what differs from flowSetup
	swan        func(*swan)
	connect     func(*lab, swan) (hangUp func()) // a client of our responder; nil: strongSwan is the gateway
}

var flowCases = []flowCase{
	{
		name: "main", about: "Our initiator and strongSwan: Main Mode, XAuth, Mode Config, a child for all of Unity's networks",
		setup: map[string]string{"mode": "main mode"}, swan: func(s *swan) { s.Aggressive = false },
	},
	{
		name: "aggressive-3des", about: "Our initiator and strongSwan: Aggressive Mode with 3DES, MD5, MODP1024",
		setup: map[string]string{"ike": "3des-md5-modp1024", "esp": "3des-md5"},
		swan:  func(s *swan) { s.IKE, s.ESP = "3des-md5-modp1024", "3des-md5" },
	},
	{
		name: "pfs", about: "Our initiator and strongSwan: AES-256, SHA-256, MODP2048, perfect forward secrecy",
		setup: map[string]string{"mode": "main mode", "ike": "aes256-sha256-modp2048", "esp": "aes256-sha256", "pfs": "modp1536"},
		swan: func(s *swan) {
			s.Aggressive, s.IKE, s.ESP = false, "aes256-sha256-modp2048", "aes256-sha256-modp1536"
		},
	},
	{
		name: "curves", about: "Our initiator and strongSwan: curve25519, SHA-512, AES-256-GCM, perfect forward secrecy by ECP256",
		setup: map[string]string{"mode": "main mode", "ike": "aes256-sha512-curve25519", "esp": "aes256gcm16", "pfs": "ecp256"},
		swan: func(s *swan) {
			s.Aggressive, s.IKE, s.ESP = false, "aes256-sha512-curve25519", "aes256gcm16-ecp256"
		},
	},
	{
		name: "pushed", about: "Our initiator and strongSwan: Mode Config pushed by the gateway",
		setup: map[string]string{"config": "pushed"}, swan: func(s *swan) { s.Push = true },
	},
	{
		name: "wrong-password", about: "Our initiator and strongSwan: a wrong password",
		setup: map[string]string{"password": "wrong"},
	},
	{
		name: "from-vpnc", about: "Our responder and vpnc: Aggressive Mode, XAuth, Mode Config, a child",
		setup: map[string]string{"role": "responder"},
		connect: func(l *lab, s swan) func() {
			client := l.vpnc(vpnc{Group: "staff", Secret: s.Secret, User: s.User, Password: s.Password, NATT: "force-natt"})
			l.vpncUp(client)
			return func() { client.stop() }
		},
	},
	{
		name: "from-strongswan", about: "Our responder and strongSwan: Main Mode, XAuth, Mode Config, a child",
		setup: map[string]string{"role": "responder"}, swan: func(s *swan) { s.Aggressive = false },
		connect: func(l *lab, s swan) func() {
			client := l.swanClient(s)
			client.connect()
			return client.disconnect
		},
	},
}

// What our end is set up with in every flow.
var flowSetup = map[string]string{
	"role": "initiator", "mode": "aggressive mode", "ike": "aes128-sha1-modp1024", "esp": "aes128-sha1",
	"identity": "staff", "secret": "the group's key", "user": "alice", "password": "wonderland",
	"seed": "1",
}

// Each flow is recorded: our engine runs in this process, under known randomness, on sockets of a lab's node. What was
// recorded is replayed at once, so nothing else than that randomness and the peer decides what our end says. With -update it
// becomes the golden flow: look at what has changed.
func TestRecordFlows(t *testing.T) {
	needStrongSwan(t)
	needVPNC(t)
	for _, c := range flowCases {
		t.Run(c.name, func(t *testing.T) {
			f := &iketest.Flow{About: c.about + flowHint, Setup: maps.Clone(flowSetup)}
			maps.Copy(f.Setup, c.setup)
			if c.connect != nil {
				delete(f.Setup, "mode") // the initiator's affair
				delete(f.Setup, "identity")
			}
			for range 3 {
				if c.record(t, f); !repeated(f) {
					break
				}
			}
			if *update {
				write(t, f, filepath.Join(flowFolder, c.name+".txt"))
			}
			outcome, err := replay(t, f)
			if diff := cmp.Diff(f.Outcome, outcome); err != nil || diff != "" {
				t.Errorf("replayed at once: %v, outcome (-want +got):\n%s", err, diff)
			}
		})
	}
}

// repeated says whether the machine was so busy that our end lost patience: when exactly it does isn't foreseeable.
func repeated(f *iketest.Flow) bool {
	return slices.ContainsFunc(f.Messages, func(m iketest.FlowMessage) bool { return strings.HasSuffix(m.Notation, "repeated") })
}

// record runs the flow in a lab of its own.
func (c flowCase) record(t *testing.T, f *iketest.Flow) {
	t.Helper()
	l := newLab(t, false)
	s := labSwan
	s.Also = []string{"dns = 10.99.1.53", `28674 = "corp.example"`, `28672 = "Welcome to the lab"`}
	if c.swan != nil {
		c.swan(&s)
	}
	if c.connect == nil {
		l.swanGateway(s)
		record(l, f, l.client.listen(flowPath.Local), func() func() { return func() {} })
		return
	}
	address := flowPath.Remote.Addr()
	conns := l.gateway.listen(netip.AddrPortFrom(address, 500), netip.AddrPortFrom(address, port4500))
	record(l, f, conns, func() func() { return c.connect(l, s) })
}

const (
	flowHint = ".\nTo record it anew: go test ./client/interop -run TestRecordFlows -update, as root."
	port4500 = 4500
)

// record lets our end meet its peer and writes down what happens.
func record(l *lab, f *iketest.Flow, conns []*net.UDPConn, connect func() (hangUp func())) {
	t := l.t
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cryptotest.SetGlobalRandom(t, seedOf(t, f))
	tape := iketest.NewRecorder()
	router := ike.NewRouter(func(msg []byte, to ike.Path) error {
		tape.Note(true, msg, to)
		return sendOn(conns, msg, to)
	})
	defer router.Close()
	for _, conn := range conns {
		go receive(conn, func(msg []byte, from ike.Path) {
			tape.Note(false, msg, from)
			router.Deliver(msg, from)
		})
	}
	over, outcome := make(chan struct{}), make(chan []string, 1)
	go func() {
		hangUp := sync.OnceFunc(func() { close(over) })
		outcome <- run(ctx, f, router, slog.New(notations{tape}), hangUp)
		hangUp()
	}()
	hangUp := connect()
	<-over
	hangUp()
	f.Outcome = <-outcome
	f.Messages = tape.Messages()
}

func write(t *testing.T, f *iketest.Flow, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := f.WriteTo(file); err != nil {
		t.Fatal(err)
	}
}

// listen opens sockets of this process in the node. They end with the test.
func (n *node) listen(addresses ...netip.AddrPort) (conns []*net.UDPConn) {
	t := n.lab.t
	t.Helper()
	// The thread goes back where it came from, and lives: with it would die the processes that it started.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	there, err := os.Open("/run/netns/" + n.netns)
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			panic(err) // no test may run on in this namespace
		}
	}()
	for _, a := range addresses {
		c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(a))
		if err != nil {
			t.Error(err)
			break
		}
		t.Cleanup(func() { c.Close() })
		conns = append(conns, c)
	}
	return conns
}

var nonESPMarker = make([]byte, 4)

func sendOn(conns []*net.UDPConn, msg []byte, to ike.Path) error {
	if to.Marker {
		msg = append(slices.Clone(nonESPMarker), msg...)
	}
	for _, c := range conns {
		if localOf(c) == to.Local {
			_, err := c.WriteToUDPAddrPort(msg, to.Remote)
			return err
		}
	}
	return fmt.Errorf("no socket for %v", to.Local)
}

func localOf(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// receive delivers what comes and isn't ESP or a keepalive.
func receive(c *net.UDPConn, deliver func(msg []byte, from ike.Path)) {
	for {
		buffer := make([]byte, 65536)
		n, remote, err := c.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return
		}
		msg, from := buffer[:n], ike.Path{Local: localOf(c), Remote: remote}
		if from.Local.Port() == port4500 || remote.Port() == port4500 {
			if msg, from.Marker = bytes.CutPrefix(msg, nonESPMarker); !from.Marker {
				continue
			}
		}
		deliver(msg, from)
	}
}

// notations gives our engine's words for its messages, which it logs, to the tape.
type notations struct{ tape *iketest.Recorder }

func (notations) Enabled(context.Context, slog.Level) bool { return true }
func (h notations) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h notations) WithGroup(string) slog.Handler          { return h }

func (h notations) Handle(_ context.Context, r slog.Record) error {
	arrow, text, _ := strings.Cut(r.Message, " ")
	if arrow != "->" && arrow != "<-" {
		return nil
	}
	octets := 0
	r.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "exchange":
			text = a.Value.String() + ": " + text
		case "octets":
			octets = int(a.Value.Int64())
		}
		return true
	})
	h.tape.Annotate(arrow == "->", octets, text)
	return nil
}
