//go:build linux

package interop

import (
	"fmt"
	"strings"
	"testing"
)

func needVPNC(t *testing.T) {
	t.Helper()
	need(t, "vpnc")
}

// A vpnc says how vpnc dials the lab's gateway: Aggressive Mode, a group, a user.
type vpnc struct {
	Group, Secret  string
	User, Password string
	NATT           string // NAT Traversal Mode: force-natt for UDP encapsulation, none for IP protocol 50
	Weak           bool   // 3DES and MD5 are allowed
	DH             string // dh2 when empty
	CA             string // a file: the gateway proves itself by a certificate, and hybrid is the mode

	Answers []string // what is typed, question by question; without any vpnc asks nothing
}

// The interface that vpnc makes.
const vpncInterface = "vpnc0"

// What vpnc calls when the tunnel comes and goes; the variables are those of vpnc-script. Routes end with the interface.
const vpncScript = `#!/bin/sh
set -eu
[ "$reason" = connect ] || exit 0
ip link set dev "$TUNDEV" up mtu "${INTERNAL_IP4_MTU:-1412}"
ip address add "$INTERNAL_IP4_ADDRESS/32" dev "$TUNDEV"
i=0
while [ "$i" -lt "${CISCO_SPLIT_INC:-0}" ]; do
	eval ip route add "\$CISCO_SPLIT_INC_${i}_ADDR/\$CISCO_SPLIT_INC_${i}_MASKLEN" dev "$TUNDEV"
	i=$((i + 1))
done
`

// What vpnc calls for a person to type: each call takes a line of the file.
const vpncHelper = `#!/bin/sh
set -eu
head -n 1 %[1]q
sed -i 1d %[1]q
`

// vpnc starts vpnc in the lab's client.
func (l *lab) vpnc(v vpnc) *process {
	l.t.Helper()
	lines := []string{
		"IPSec gateway " + gatewayAddress,
		"IPSec ID " + v.Group,
		"IPSec secret " + v.Secret,
		"Xauth username " + v.User,
		"Xauth password " + v.Password,
		"NAT Traversal Mode " + v.NATT,
		"Interface name " + vpncInterface,
		"Local Port 0",
		"No Detach",
	}
	if v.DH != "" {
		lines = append(lines, "IKE DH Group "+v.DH)
	}
	if v.CA != "" {
		lines = append(lines, "IKE Authmode hybrid", "CA-File "+v.CA)
	}
	if v.Weak {
		lines = append(lines, "Enable weak encryption", "Enable weak authentication")
	}
	script := l.write("vpnc-script", vpncScript)
	lines = append(lines, "Script sh "+script)
	conf := l.write("vpnc.conf", strings.Join(lines, "\n")+"\n")
	if len(v.Answers) == 0 {
		return l.client.start(nil, "vpnc", "--non-inter", conf)
	}
	answers := l.write("vpnc-answers", strings.Join(v.Answers, "\n")+"\n")
	helper := l.write("vpnc-helper", fmt.Sprintf(vpncHelper, answers))
	l.client.must("chmod", "700", helper)
	return l.client.start(nil, "vpnc", "--xauth-inter", "--password-helper", helper, conf)
}

// vpncUp waits until vpnc's interface has its address, and returns it.
func (l *lab) vpncUp(p *process) string {
	l.t.Helper()
	var address string
	l.eventually("vpnc's interface", func() bool {
		p.running()
		address = l.client.addressOf(vpncInterface)
		return address != ""
	})
	return address
}

// addressOf tells the first IPv4 address of an interface; empty: it has none, or there is no such interface.
func (n *node) addressOf(name string) string {
	out, err := n.try("ip", "-4", "-brief", "address", "show", "dev", name)
	fields := strings.Fields(out)
	if err != nil || len(fields) < 3 {
		return ""
	}
	address, _, _ := strings.Cut(fields[2], "/")
	return address
}
