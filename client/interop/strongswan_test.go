//go:build linux

package interop

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/template"
)

// Where Debian keeps charon, which is on no PATH.
const charonPath = "/usr/lib/ipsec/charon"

func needStrongSwan(t *testing.T) {
	t.Helper()
	need(t, charonPath, "swanctl")
}

// A swan says how a strongSwan is set up: one IKEv1 connection with a pre-shared key, as gateway or as client. Its ESP is
// kernel-libipsec, which knows UDP encapsulation only: it pretends a NAT, and both ends move to port 4500.
type swan struct {
	Aggressive bool
	IKEv2      bool     // a gateway that speaks it too
	NoUnity    bool     // without Unity each network needs a child of its own
	IKE, ESP   string   // proposals, in swanctl's spelling
	Group      string   // the client's phase 1 identity, as in keyid:staff; empty: its address
	Secret     string   // the pre-shared key
	User       string   // empty: no XAuth
	Password   string   //
	Proof      string   // how phase 1 is authenticated: by the pre-shared key when empty, or see the proofs below
	GatewayID  string   // of the gateway with a certificate; empty: its subject
	RADIUS     string   // the server that judges the gateway's users; empty: it does itself
	Networks   []string // what the gateway protects

	Pool  string   // the addresses a gateway assigns; empty: no Mode Config, and Inner stands instead
	Push  bool     // the gateway pushes them, without being asked
	Also  []string // further settings of the pool, as in dns = 10.99.1.53
	Inner string   // the client's network inside the tunnel where no address is assigned
}

// The files of a swan. Sections stand on lines of their own, as strongSwan's parser likes them.
var (
	swanSettings = template.Must(template.New("strongswan.conf").Parse(`charon {
	load = random nonce openssl aes sha1 sha2 md5 hmac gmp pem pkcs1 pkcs8 pubkey x509 constraints revocation xcbc curve25519 kdf gcm vici kernel-libipsec kernel-netlink socket-default unity xauth-generic{{if .RADIUS}} eap-radius{{end}}
	i_dont_care_about_security_and_use_aggressive_mode_psk = yes
	cisco_unity = {{if .NoUnity}}no{{else}}yes{{end}}
	{{with .RADIUS}}plugins {
		eap-radius {
			servers {
				lab {
					address = {{.}}
					secret = "the RADIUS secret"
				}
			}
		}
	}
	{{end}}filelog {
		stderr {
			default = 1
			ike = 2
			flush_line = yes
		}
	}
}
`))
	swanGateway = template.Must(template.New("gateway").Parse(`connections {
	lab {
		version = {{if .IKEv2}}0{{else}}1{{end}}
		aggressive = {{if .Aggressive}}yes{{else}}no{{end}}
		proposals = {{.IKE}}
		local_addrs = ` + gatewayAddress + `
		pull = {{if .Push}}no{{else}}yes{{end}}
		{{with .Pool}}pools = lab{{end}}
		{{if .Proof}}send_cert = always{{end}}
		local {
			auth = {{.LocalAuth}}
			{{if .Proof}}certs = gateway.pem
			{{with .GatewayID}}id = {{.}}{{end}}
			{{else}}id = fqdn:gateway.example{{end}}
		}
		{{if ne .Proof "hybrid"}}remote-1 {
			auth = {{.LocalAuth}}
			{{if not .Proof}}{{with .Group}}id = {{.}}{{end}}{{end}}
		}
		{{end}}{{if .User}}remote-2 {
			auth = xauth{{if .RADIUS}}-radius{{end}}
		}
		{{end}}children {
			{{range .Children}}{{.Name}} {
				local_ts = {{.Networks}}
				{{with $.Inner}}remote_ts = {{.}}{{end}}
				esp_proposals = {{$.ESP}}
			}
			{{end}}
		}
	}
}
{{with .Pool}}pools {
	lab {
		addrs = {{.}}
		{{range $.Also}}{{.}}
		{{end}}
	}
}
{{end}}`))
	swanClient = template.Must(template.New("client").Parse(`connections {
	lab {
		version = 1
		aggressive = {{if .Aggressive}}yes{{else}}no{{end}}
		proposals = {{.IKE}}
		remote_addrs = ` + gatewayAddress + `
		pull = {{if .Push}}no{{else}}yes{{end}}
		{{with .Pool}}vips = 0.0.0.0{{end}}
		{{if .Proof}}send_cert = always{{end}}
		{{if ne .Proof "hybrid"}}local-1 {
			auth = {{.LocalAuth}}
			{{if .Proof}}certs = client.pem{{else}}{{with .Group}}id = {{.}}{{end}}{{end}}
		}
		{{end}}{{with .User}}local-2 {
			auth = xauth
			xauth_id = {{.}}
		}
		{{end}}remote {
			auth = {{.LocalAuth}}
			id = {{if .Proof}}gateway.example{{else}}%any{{end}}
		}
		children {
			{{range .Children}}{{.Name}} {
				remote_ts = {{.Networks}}
				{{with $.Inner}}local_ts = {{.}}{{end}}
				esp_proposals = {{$.ESP}}
			}
			{{end}}
		}
	}
}
`))
	swanSecrets = template.Must(template.New("secrets").Parse(`secrets {
	ike-group {
		{{with .Group}}id-1 = {{.}}
		{{end}}secret = "{{.Secret}}"
	}
	{{if .User}}xauth-user {
		id = {{.User}}
		secret = "{{.Password}}"
	}
	{{end}}
}
`))
)

// A swanChild is one pair of SAs a connection may have.
type swanChild struct{ Name, Networks string }

// Children: Unity carries every network in one pair, IKEv1 without it one network a pair.
func (s swan) Children() []swanChild {
	if !s.NoUnity {
		return []swanChild{{"net", strings.Join(s.Networks, ", ")}}
	}
	var all []swanChild
	for i, n := range s.Networks {
		all = append(all, swanChild{"net" + strconv.Itoa(i+1), n})
	}
	return all
}

// A charon is a running strongSwan.
type charon struct {
	*process
	swan
	swanctl string // the program
	start   func() *process
}

// swanGateway starts a strongSwan in the lab's gateway.
func (l *lab) swanGateway(s swan) *charon {
	l.t.Helper()
	return l.charon(l.gateway, s, swanGateway)
}

// swanClient starts a strongSwan in the lab's client; connect makes it dial.
func (l *lab) swanClient(s swan) *charon {
	l.t.Helper()
	return l.charon(l.client, s, swanClient)
}

// charon starts charon itself in a node, without starter or systemd, and loads its connection.
func (l *lab) charon(n *node, s swan, connection *template.Template) *charon {
	l.t.Helper()
	// AppArmor's profiles, where a machine has them, confine these programs to files in /etc, by their paths: run copies.
	dir := l.folder(n.name + "-charon")
	c := &charon{swan: s, swanctl: copyProgram(l.t, "swanctl", dir)}
	l.swanCertificates(n, s, dir)
	settings := l.write(n.name+"-strongswan.conf", render(l.t, swanSettings, s))
	loaded := l.write(n.name+"-charon/swanctl.conf", render(l.t, connection, s)+render(l.t, swanSecrets, s))
	program := copyProgram(l.t, charonPath, dir)
	c.start = func() *process {
		p := n.start([]string{"STRONGSWAN_CONF=" + settings}, program)
		l.eventually("charon's vici socket", func() bool {
			p.running()
			_, err := os.Stat(filepath.Join(n.run, "charon.vici"))
			return err == nil
		})
		n.must(c.swanctl, "--load-all", "--file", loaded)
		return p
	}
	c.process = c.start()
	return c
}

// reboot kills charon, so that it says nothing to anybody, and starts it again.
func (c *charon) reboot() {
	t := c.node.lab.t
	t.Helper()
	c.signal(syscall.SIGKILL)
	if _, err := c.wait(patience); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"charon.vici", "charon.pid"} {
		if err := os.Remove(filepath.Join(c.node.run, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	c.process = c.start()
}

func copyProgram(t *testing.T, name, dir string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, filepath.Base(path))
	if err := os.WriteFile(path, program, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func render(t *testing.T, text *template.Template, s swan) string {
	t.Helper()
	var b strings.Builder
	if err := text.Execute(&b, s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// must runs swanctl and ends the test when it fails.
func (c *charon) must(args ...string) string {
	c.node.lab.t.Helper()
	return c.node.must(append([]string{c.swanctl}, args...)...)
}

// connect dials the gateway.
func (c *charon) connect() {
	c.node.lab.t.Helper()
	for _, child := range c.Children() {
		c.must("--initiate", "--timeout", "60", "--child", child.Name)
	}
}

// disconnect ends the connection with its Deletes.
func (c *charon) disconnect() {
	c.node.lab.t.Helper()
	c.must("--terminate", "--ike", "lab", "--timeout", "60")
}

// sas tells the established SAs, as swanctl --list-sas does.
func (c *charon) sas() string {
	c.node.lab.t.Helper()
	return c.must("--list-sas")
}

// forgets waits until no SA is left, as after the client's Deletes, which nobody acknowledges.
func (c *charon) forgets() {
	c.node.lab.t.Helper()
	c.node.lab.eventually("no SA at the gateway after the Deletes", func() bool { return c.sas() == "" })
}
