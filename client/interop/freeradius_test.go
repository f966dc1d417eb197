//go:build linux

package interop

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

func needFreeRADIUS(t *testing.T) {
	t.Helper()
	need(t, "freeradius")
}

// A freeRADIUS says how FreeRADIUS is set up, and for which client.
type freeRADIUS struct {
	Listen, Client     string // addresses: its own, and the one that may ask
	Secret             string
	AuthPort, AcctPort int
	Unsigned           bool // answers have no Message-Authenticator, as Debian 12's have unless they are told to

	Dir string // filled in
}

// The lab's: on the first host behind the gateway.
var labRADIUS = freeRADIUS{Listen: host1, Client: "10.99.1.1", Secret: "the RADIUS secret", AuthPort: 1812, AcctPort: 1813}

// The users of every freeRADIUS: bob is asked two questions, mute gets no answer.
const radiusUsers = `alice Cleartext-Password := "wonderland"
	CVPN5000-VPN-GroupInfo := "staff",
	CVPN5000-VPN-Password := "alice's own key",
	CVPN5000-Client-Assigned-IP := "10.20.0.77",
	Class := "lab"

carol Cleartext-Password := "lion"
	CVPN5000-VPN-GroupInfo := "others",
	Framed-IP-Address := 10.20.0.78

bob Cleartext-Password := "builder", Auth-Type := Ask

mute Cleartext-Password := "mute", Auth-Type := Mute
`

// The parser likes each brace on a line of its own.
var radiusSettings = template.Must(template.New("radiusd.conf").Parse(`prefix = /usr
libdir = /usr/lib/freeradius
raddbdir = {{.Dir}}
run_dir = {{.Dir}}
logdir = {{.Dir}}
db_dir = {{.Dir}}
log {
	destination = stdout
	auth = yes
}
security {
	allow_vulnerable_openssl = yes
}
modules {
	pap {
	}
	chap {
	}
	files {
		filename = {{.Dir}}/users
	}
	detail {
		filename = {{.Dir}}/detail
	}
	always ok {
		rcode = ok
	}
	always reject {
		rcode = reject
	}
	always handled {
		rcode = handled
	}
}
client lab {
	ipaddr = {{.Client}}
	secret = "{{.Secret}}"
	require_message_authenticator = yes
}
server default {
	listen {
		type = auth
		ipaddr = {{.Listen}}
		port = {{.AuthPort}}
	}
	listen {
		type = acct
		ipaddr = {{.Listen}}
		port = {{.AcctPort}}
	}
	authorize {
		{{if not .Unsigned}}update reply {
			&Message-Authenticator := 0x00
		}
		{{end}}if (&State) {
			update control {
				&Auth-Type := Answer
			}
		}
		else {
			files
			chap
			pap
		}
	}
	authenticate {
		Auth-Type PAP {
			pap
		}
		Auth-Type CHAP {
			chap
		}
		Auth-Type Mute {
			update control {
				&Response-Packet-Type := Do-Not-Respond
			}
			handled
		}
		Auth-Type Ask {
			if (&User-Password != "") {
				pap
			}
			update session-state {
				&Tmp-String-0 := "one"
			}
			update reply {
				&Reply-Message := "What is the colour?"
			}
			update control {
				&Response-Packet-Type := Access-Challenge
			}
			handled
		}
		Auth-Type Answer {
			if (&session-state:Tmp-String-0 == "one" && &User-Password == "blue") {
				update session-state {
					&Tmp-String-0 := "two"
				}
				update reply {
					&Reply-Message := "And the number?"
					&Prompt := Echo
				}
				update control {
					&Response-Packet-Type := Access-Challenge
				}
				handled
			}
			elsif (&session-state:Tmp-String-0 == "two" && &User-Password == "7") {
				ok
			}
			else {
				update reply {
					&Reply-Message := "Wrong."
				}
				reject
			}
		}
	}
	accounting {
		detail
	}
}
`))

// write puts FreeRADIUS's files into the folder.
func (f freeRADIUS) write(t *testing.T, dir string) {
	t.Helper()
	f.Dir = dir
	var b strings.Builder
	if err := radiusSettings.Execute(&b, f); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"radiusd.conf": b.String(), "users": radiusUsers, "dictionary": "$INCLUDE /usr/share/freeradius/dictionary\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A radiusd is a running FreeRADIUS.
type radiusd struct {
	*process
	dir string
}

// What FreeRADIUS says when it is.
const radiusReady = "Ready to process requests"

// freeRADIUS starts FreeRADIUS on the lab's hosts.
func (l *lab) freeRADIUS(f freeRADIUS) *radiusd {
	l.t.Helper()
	dir := l.folder("freeradius")
	f.write(l.t, dir)
	p := l.inside.start(nil, "freeradius", "-f", "-X", "-d", dir)
	l.eventually("FreeRADIUS", func() bool { p.running(); return strings.Contains(p.said.String(), radiusReady) })
	return &radiusd{p, dir}
}

// accounted returns the accounting records so far, as FreeRADIUS's detail file has them.
func (r *radiusd) accounted() string {
	b, _ := os.ReadFile(filepath.Join(r.dir, "detail"))
	return string(b)
}

// hostRADIUS starts FreeRADIUS on the loopback of the machine itself, on free ports, and returns what it was told.
func hostRADIUS(t *testing.T, f freeRADIUS) freeRADIUS {
	t.Helper()
	f.Listen, f.Client = "127.0.0.1", "127.0.0.1"
	auth, acct := freePort(t), freePort(t) // held until all else is done, so that nobody else gets them
	f.AuthPort, f.AcctPort = auth.LocalAddr().(*net.UDPAddr).Port, acct.LocalAddr().(*net.UDPAddr).Port
	f.Dir = t.TempDir()
	f.write(t, f.Dir)
	var said output
	c := exec.Command("freeradius", "-f", "-X", "-d", f.Dir)
	c.Stdout, c.Stderr = &said, &said
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	auth.Close()
	acct.Close()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
		if t.Failed() {
			t.Logf("freeradius said:\n%s", said.String())
		}
	})
	for end := time.Now().Add(patience); !strings.Contains(said.String(), radiusReady); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("FreeRADIUS isn't ready")
		}
	}
	return f
}

// freePort is a UDP socket at a port that nobody else uses.
func freePort(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
