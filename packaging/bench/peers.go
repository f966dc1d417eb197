//go:build linux

package main

import (
	"crypto/ecdh"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The addresses inside a tunnel.
const (
	clientInner  = "10.20.0.1"
	gatewayInner = "10.99.0.1"
	innerMTU     = "1400"
)

// joinInner gives the two ends of a tunnel device that both have by this name their addresses.
func (l *lab) joinInner(device string) error {
	return errors.Join(
		l.client.ip("link", "set", device, "mtu", innerMTU), l.gateway.ip("link", "set", device, "mtu", innerMTU),
		l.client.address(device, clientInner+"/32"), l.gateway.address(device, gatewayInner+"/32"),
		l.client.ip("route", "add", gatewayInner, "dev", device), l.gateway.ip("route", "add", clientInner, "dev", device),
	)
}

// upTunnel starts packaging/bench/tunnel at both ends.
func (l *lab) upTunnel(program, suite, tier string) (tunnel, error) {
	start := func(e *end, local, remote string) (*process, error) {
		return e.startReady(nil, says("ready"), program,
			"-suite", suite, "-local", local, "-remote", remote, "-name", "esp0", "-mtu", innerMTU, "-tier", tier)
	}
	client, errClient := start(l.client, clientOuter, gatewayOuter)
	gateway, errGateway := start(l.gateway, gatewayOuter, clientOuter)
	if err := errors.Join(errClient, errGateway); err != nil {
		return tunnel{}, err
	}
	return tunnel{target: gatewayInner, client: client, gateway: gateway, counting: true}, l.joinInner("esp0")
}

// upWireGuard starts wireguard-go at both ends and configures it as wg would, through its socket.
func (l *lab) upWireGuard(program string) (tunnel, error) {
	clientKey, errClient := ecdh.X25519().GenerateKey(rand.Reader)
	gatewayKey, errGateway := ecdh.X25519().GenerateKey(rand.Reader)
	if err := errors.Join(errClient, errGateway); err != nil {
		return tunnel{}, err
	}
	start := func(e *end, own, peer *ecdh.PrivateKey, remote string) (*process, error) {
		socket := filepath.Join(e.run, "wireguard", "wg0.sock")
		p, err := e.startReady([]string{"LOG_LEVEL=error"}, func(*process) bool {
			_, err := os.Stat(socket)
			return err == nil
		}, program, "-f", "wg0")
		if err != nil {
			return nil, err
		}
		return p, tellWireGuard(socket, fmt.Sprintf("private_key=%x\nlisten_port=51820\npublic_key=%x\nendpoint=%s:51820\nallowed_ip=0.0.0.0/0\n",
			own.Bytes(), peer.PublicKey().Bytes(), remote))
	}
	client, errClient := start(l.client, clientKey, gatewayKey, gatewayOuter)
	gateway, errGateway := start(l.gateway, gatewayKey, clientKey, clientOuter)
	if err := errors.Join(errClient, errGateway); err != nil {
		return tunnel{}, err
	}
	return tunnel{target: gatewayInner, client: client, gateway: gateway}, l.joinInner("wg0")
}

// tellWireGuard sets settings by the cross-platform user space protocol of WireGuard.
func tellWireGuard(socket, settings string) error {
	c, err := net.DialTimeout("unix", socket, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "set=1\n"+settings+"\n"); err != nil {
		return err
	}
	answer := make([]byte, 100)
	n, err := c.Read(answer)
	if err == nil && strings.TrimSpace(string(answer[:n])) != "errno=0" {
		err = fmt.Errorf("wireguard-go said %q", answer[:n])
	}
	return err
}

// Where Debian keeps charon, which is on no PATH.
const charonPath = "/usr/lib/ipsec/charon"

const charonSettings = `charon {
	load = random nonce openssl aes sha1 sha2 md5 hmac gmp kdf gcm vici kernel-libipsec kernel-netlink socket-default unity xauth-generic
	i_dont_care_about_security_and_use_aggressive_mode_psk = yes
	cisco_unity = yes
	filelog {
		stderr {
			default = 1
			flush_line = yes
		}
	}
}
`

// The gateway's connection; %s is its ESP proposal.
const charonGateway = `connections {
	bench {
		version = 1
		aggressive = yes
		proposals = aes128-sha1-modp1024
		local_addrs = ` + gatewayOuter + `
		pools = bench
		local {
			auth = psk
			id = fqdn:gateway.example
		}
		remote-1 {
			auth = psk
			id = keyid:staff
		}
		remote-2 {
			auth = xauth
		}
		children {
			net {
				local_ts = 10.99.0.0/24
				esp_proposals = %s
			}
		}
	}
}
pools {
	bench {
		addrs = 10.20.0.0/24
	}
}
`

const charonClient = `connections {
	bench {
		version = 1
		aggressive = yes
		proposals = aes128-sha1-modp1024
		remote_addrs = ` + gatewayOuter + `
		vips = 0.0.0.0
		local-1 {
			auth = psk
			id = keyid:staff
		}
		local-2 {
			auth = xauth
			xauth_id = alice
		}
		remote {
			auth = psk
			id = %%any
		}
		children {
			net {
				remote_ts = 10.99.0.0/24
				esp_proposals = %s
			}
		}
	}
}
`

const charonSecrets = `secrets {
	ike-group {
		id-1 = keyid:staff
		secret = "the group's key"
	}
	xauth-user {
		id = alice
		secret = "wonderland"
	}
}
`

// charon starts strongSwan's daemon, with its connection loaded. AppArmor's profiles, where a machine has them, confine
// it to files in /etc by its path: a copy runs.
func (e *end) charon(name, connection string) (*process, error) {
	program := filepath.Join(e.lab.dir, name)
	settings, errSettings := e.lab.write(name+"-strongswan.conf", charonSettings)
	loaded, errLoaded := e.lab.write(name+"-swanctl.conf", connection+charonSecrets)
	if err := errors.Join(copyProgram(charonPath, program), e.copySwanctl(), errSettings, errLoaded); err != nil {
		return nil, err
	}
	p, err := e.startReady([]string{"STRONGSWAN_CONF=" + settings}, func(*process) bool {
		_, err := os.Stat(filepath.Join(e.run, "charon.vici"))
		return err == nil
	}, program)
	if err != nil {
		return nil, err
	}
	_, err = e.output(patience, e.swanctl(), "--load-all", "--file", loaded)
	return p, err
}

func (e *end) swanctl() string { return e.run + "-swanctl" }

func (e *end) copySwanctl() error {
	path, err := exec.LookPath("swanctl")
	if err != nil {
		return err
	}
	return copyProgram(path, e.swanctl())
}

func copyProgram(from, to string) error {
	program, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, program, 0o700)
}

// charonGateway starts a strongSwan that clients connect to. It needs a device with an address inside.
func (l *lab) charonGateway(proposal string) (*process, error) {
	if err := errors.Join(
		l.gateway.ip("tuntap", "add", "dev", "inside", "mode", "tun"),
		l.gateway.address("inside", gatewayInner+"/24"),
	); err != nil {
		return nil, err
	}
	return l.gateway.charon("gateway", fmt.Sprintf(charonGateway, proposal))
}

// upStrongSwan connects a strongSwan to a strongSwan; ESP is done by its kernel-libipsec, whose device has an MTU of 1400.
func (l *lab) upStrongSwan(proposal string) (tunnel, error) {
	gateway, err := l.charonGateway(proposal)
	if err != nil {
		return tunnel{}, err
	}
	client, err := l.client.charon("client", fmt.Sprintf(charonClient, proposal))
	if err != nil {
		return tunnel{}, err
	}
	_, err = l.client.output(patience, l.client.swanctl(), "--initiate", "--timeout", "30", "--child", "net")
	return tunnel{target: gatewayInner, client: client, gateway: gateway}, err
}

// What vpnc calls when the tunnel comes; the variables are those of vpnc-script.
const vpncScript = `#!/bin/sh
set -eu
[ "$reason" = connect ] || exit 0
ip link set dev "$TUNDEV" up mtu ` + innerMTU + `
ip address add "$INTERNAL_IP4_ADDRESS/32" dev "$TUNDEV"
ip route add ` + gatewayInner + ` dev "$TUNDEV"
echo connected
`

// upVPNC connects vpnc to a strongSwan.
func (l *lab) upVPNC(proposal string) (tunnel, error) {
	gateway, err := l.charonGateway(proposal)
	if err != nil {
		return tunnel{}, err
	}
	script, errScript := l.write("vpnc-script", vpncScript)
	conf, errConf := l.write("vpnc.conf", strings.Join([]string{
		"IPSec gateway " + gatewayOuter, "IPSec ID staff", "IPSec secret the group's key",
		"Xauth username alice", "Xauth password wonderland", "NAT Traversal Mode force-natt",
		"Interface name vpnc0", "Local Port 0", "No Detach", "Enable weak encryption", "Enable weak authentication",
		"Script sh " + script, "",
	}, "\n"))
	if err := errors.Join(errScript, errConf); err != nil {
		return tunnel{}, err
	}
	client, err := l.client.startReady(nil, says("connected"), "vpnc", "--non-inter", conf)
	return tunnel{target: gatewayInner, client: client, gateway: gateway}, err
}

const concentratorConf = `[ General ]
Address = ` + gatewayOuter + `
InsideAddress = ` + gatewayInner + `/24

[ IKE Policy ]
Protection = aes128-sha1-modp1024

[ VPN Group "staff" ]
SharedKey = "the group's key"
Transform = aes128-sha1
StartIPAddress = ` + clientInner + `
MaxConnections = 16
XAuth = true
IPNet = 10.99.0.0/24

[ VPN Users ]
"alice" Config="staff" Password="wonderland"
`

const posternProfile = `name = "bench"
gateway = "` + gatewayOuter + `"
interface = "postern0"
mode = "aggressive"
identity = "staff"
identity_type = "key-id"
secret = "the group's key"
xauth = true
user = "alice"
password = "wonderland"
ike = ["aes128-sha1-modp1024"]
esp = ["aes128-sha1"]
nat_traversal = "force"
mtu = ` + innerMTU + `
`

// upPostern connects the program postern to the program concentrator.
func (l *lab) upPostern(postern, concentrator string) (tunnel, error) {
	conf, errConf := l.write("concentrator.conf", concentratorConf)
	profile, errProfile := l.write("bench.toml", posternProfile)
	if err := errors.Join(errConf, errProfile); err != nil {
		return tunnel{}, err
	}
	gateway, err := l.gateway.startReady(nil, func(*process) bool { return l.gateway.listens("01F4") }, concentrator, "--config", conf)
	if err != nil {
		return tunnel{}, err
	}
	client, err := l.client.startReady(nil, says(`"state":"up"`), postern,
		"run", profile, "--json", "--no-prompt", "--state-dir", filepath.Join(l.dir, "state"))
	if err != nil {
		return tunnel{}, err
	}
	return tunnel{target: gatewayInner, client: client, gateway: gateway}, nil
}

// listens reports whether somebody has a UDP port open, given in four hexadecimal digits.
func (e *end) listens(port string) bool {
	_, err := e.output(patience, "grep", "-q", ":"+port+" ", "/proc/net/udp", "/proc/net/udp6")
	return err == nil
}
