package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postern/client"
	"postern/client/profile"
	"postern/client/prompt"
	"postern/ike/pki/pkitest"
	"postern/tun/faults"
	"postern/tun/hostnet"
	"postern/tun/memnet"
	"postern/xauth"
)

// weatherMode is one way to connect: a gateway, and a profile for it.
type weatherMode struct {
	name, config, profile string
	challenge             bool // the gateway asks for a code after the password
}

const weatherCode = "123456"

// weatherModes are the ways to connect that must bear any weather. Certificates are
// those of files in dir.
func weatherModes(dir string) []weatherMode {
	const psk = "identity = \"staff\"\nsecret = \"" + groupKey + "\"\nike = [\"aes128-sha1-curve25519\"]\nesp = [\"aes128-sha1\"]\n"
	const user = "user = \"alice\"\npassword = \"" + password + "\"\n"
	const certified = "ike = [\"aes128-sha1-curve25519\"]\nesp = [\"aes128-sha1\"]\nca = 'root.pem'\ngateway_identity = 'gw.example'\n"
	office := "Certificate = gateway.pem\nPrivateKey = gateway.key\nCA = root.pem\n"
	group := func(general, group, users string) string {
		return "[ General ]\nInsideAddress = 10.20.0.1/24\n" + general + "[ IKE Policy ]\nProtection = aes128-sha1-curve25519\n" +
			"[ VPN Group \"staff\" ]\nTransform = aes128-sha1\nStartIPAddress = 10.20.0.10\nMaxConnections = 5\nIPNet = 10.20.0.0/24\n" + group +
			"[ VPN Users ]\n\"alice\" Config=\"staff\" " + users + "\n"
	}
	withPassword := "Password=\"" + password + "\""
	world := fmt.Sprintf(worldConfig, "")
	return []weatherMode{
		{name: "main", config: world, profile: psk + user},
		{name: "aggressive", config: world, profile: psk + user + "mode = \"aggressive\"\n"},
		{name: "without XAuth", config: group("", "SharedKey = \""+groupKey+"\"\nXAuth = off\n", ""), profile: psk + "xauth = false\n"},
		{name: "challenge", config: world, profile: psk + user, challenge: true},
		{name: "hybrid", config: group(office, "Method = hybrid\n", withPassword), profile: certified + "auth = \"hybrid\"\nidentity = \"staff\"\n" + user},
		{name: "certificates", config: group(office, "Method = certificate\nXAuth = off\n", ""), profile: certified + "auth = \"rsa\"\nmode = \"aggressive\"\ncertificate = 'user.pem'\nkey = 'user.key'\nxauth = false\n"},
		{name: "certificates and XAuth", config: group(office, "Method = certificate\n", withPassword), profile: certified + "auth = \"rsa\"\ncertificate = 'user.pem'\nkey = 'user.key'\n" + user},
		{name: "VPN 5000", config: fmt.Sprintf(strings.ReplaceAll(vpn5000Config, "aes256-sha256-modp2048", "aes128-sha1-curve25519"), 0), profile: "identity = \"alice\"\nsecret = \"" + userKey + "\"\nike = [\"aes128-sha1-curve25519\"]\nesp = [\"aes128-sha1\"]\nvpn5000 = \"required\"\nxauth = false\n"},
	}
}

// weatherDir has the certificates of a gateway and a user, as valid as virtual time
// wants them.
func weatherDir(t *testing.T) string {
	t.Helper()
	o := &office{t: t, dir: t.TempDir()}
	synctest.Test(t, func(t *testing.T) {
		o.root = pkitest.Root(t, "root", pkitest.ECDSA(t))
		o.gateway = o.root.Leaf(t, "gateway", pkitest.RSA(t, 2048, 0), host)
		o.user = o.root.Leaf(t, "alice", pkitest.RSA(t, 2048, 1), member)
	})
	o.file("root.pem", pkitest.PEM(o.root))
	o.file("gateway.pem", pkitest.PEM(o.gateway))
	o.file("gateway.key", o.gateway.KeyPEM(t))
	o.file("user.pem", pkitest.PEM(o.user))
	o.file("user.key", o.user.KeyPEM(t))
	return o.dir
}

// made is what became of a connection in the weather.
type made struct {
	up, through time.Duration // since the beginning: the state, and a packet each way
	datagrams   int           // until then
	asked       int           // for the password
	err         error
}

// weather is what a relay does with the nth datagram of both directions together.
type weather func(n int, from, to netip.AddrPort, datagram []byte) []faults.Arrival

// inWeather makes one connection, of which it waits a limit of virtual time for a
// packet each way. Every run is a bubble of its own. nat stands before the laptop; nil:
// none does.
func inWeather(t *testing.T, dir string, m weatherMode, limit time.Duration, relay weather, nat memnet.NAT) (out made) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, net: memnet.New(), lines: make(map[string]int), began: time.Now(), log: slog.New(slog.DiscardHandler)}
		if os.Getenv("POSTERN_DEBUG") != "" {
			w.log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
		}
		w.laptop = &machine{host: w.net.Host(laptopAddr), changes: make(chan hostnet.Change), names: make(map[string][]netip.Addr)}
		w.gateway = &gatewayHost{w: w, host: w.net.Host(gatewayAddr), config: m.config, path: filepath.Join(dir, "gateway.conf")}
		if m.challenge {
			w.gateway.verify = challenges
		}
		w.gateway.start()
		var n, asked atomic.Int32
		w.net.SetRelay(func(from, to netip.AddrPort, d []byte) []faults.Arrival {
			return relay(int(n.Add(1)), from, to, d)
		})
		if nat != nil {
			w.net.SetNAT(laptopAddr, nat)
		}
		w.connectBy(w.weatherProfile(dir, m), answerer(&asked))
		out.up, out.err = w.conn.upWithin(limit)
		if out.err == nil {
			out.through, out.err = w.carriesWithin(limit - out.up)
			out.through += out.up
		}
		out.datagrams, out.asked = int(n.Load()), int(asked.Load())
		w.end()
	})
	return out
}

// weatherProfile is a mode's, with its files read.
func (w *world) weatherProfile(dir string, m weatherMode) *profile.Profile {
	w.t.Helper()
	p, err := profile.Parse(fmt.Appendf(nil, "name = \"weather\"\ngateway = \"%v\"\n%s", gatewayAddr, m.profile), filepath.Join(dir, "weather.toml"))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := (profile.Sources{FD: profile.NoFD}).Resolve(p); err != nil {
		w.t.Fatal(err)
	}
	return p
}

// connectBy starts a Client with a profile.
func (w *world) connectBy(p *profile.Profile, ask prompt.Func) {
	w.conn = &connection{t: w.t, ended: make(chan error, 1), log: &safeBuffer{}}
	w.conn.Client = client.New(p, client.Options{Log: w.logOf("client"), Ask: ask, System: w.laptop})
	ctx, cancel := context.WithCancel(w.t.Context())
	w.conn.stop = cancel
	go func() { w.conn.ended <- w.conn.Run(ctx) }()
}

// challenges judges a password, and asks for a code, as a RADIUS server does.
func challenges(_ context.Context, _ string, given []byte) error {
	if string(given) != password {
		return errors.New("wrong password")
	}
	return &xauth.Challenge{Message: "The code, please", Verify: func(_ context.Context, code []byte) error {
		if string(code) != weatherCode {
			return errors.New("wrong code")
		}
		return nil
	}}
}

// answerer is a person with a token, whose every glance is counted.
func answerer(asked *atomic.Int32) prompt.Func {
	return func(_ context.Context, p prompt.Prompt) (prompt.Answers, error) {
		asked.Add(1)
		answers := prompt.Answers{}
		for _, f := range p.Fields {
			if f.Kind.Hidden() {
				answers[f.Name] = prompt.Answer(weatherCode)
			}
		}
		return answers, nil
	}
}

// upWithin waits for the connection, and says when it was up.
func (c *connection) upWithin(limit time.Duration) (time.Duration, error) {
	began, end := time.Now(), time.NewTimer(limit)
	defer end.Stop()
	for {
		st, changed := c.Watch()
		if st.State == client.Up {
			return time.Since(began), nil
		}
		select {
		case <-changed:
		case err := <-c.ended:
			c.ended <- nil
			return 0, fmt.Errorf("ended: %w", err)
		case <-end.C:
			return 0, fmt.Errorf("%s after %v", st.State, limit)
		}
	}
}

// carriesWithin sends a packet each way, again and again, until both have arrived.
func (w *world) carriesWithin(limit time.Duration) (time.Duration, error) {
	began := time.Now()
	var there, back bool
	for time.Since(began) < limit {
		st := w.conn.Status()
		if st.Tunnel != nil {
			w.laptop.device.Inject(packet(st.Tunnel.Address, insideHost, 1))
			w.gateway.device.Load().Inject(packet(insideHost, st.Tunnel.Address, 1))
		}
		pause := time.After(200 * time.Millisecond)
		for waiting := true; waiting; {
			select {
			case <-w.gateway.device.Load().Written():
				there = true
			case <-w.laptop.device.Written():
				back = true
			case <-pause:
				waiting = false
			}
			if there && back {
				return time.Since(began), nil
			}
		}
	}
	return 0, fmt.Errorf("up, but no packet in %v: to the gateway %v, to us %v", limit, there, back)
}
