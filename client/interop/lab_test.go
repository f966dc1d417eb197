//go:build linux

package interop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The addresses of every lab. Two of the three networks behind the gateway are meant for the tunnel, the third is not.
const (
	gatewayAddress = "192.0.2.1"
	clientAddress  = "192.0.2.10"    // of the client, or of the NAT before it
	hiddenAddress  = "192.168.77.10" // of a client behind the NAT

	network1, host1 = "10.99.1.0/24", "10.99.1.10"
	network2, host2 = "10.99.2.0/24", "10.99.2.10"
	network3, host3 = "10.99.3.0/24", "10.99.3.10"
)

// A lab is a little internet of its own:
//
//	client 192.0.2.10 ------------------------- 192.0.2.1 gateway 10.99.{1,2,3}.1 --- 10.99.{1,2,3}.10 hosts
//	client 192.168.77.10 --- NAT 192.0.2.10 --- 192.0.2.1 gateway …
//
// The gateway forwards nothing between its outside and its inside, so what arrives at a host went through a tunnel. A lab
// and all its processes end with the test that made it.
type lab struct {
	t                            *testing.T
	dir                          string
	client, nat, gateway, inside *node // nat is nil without a NAT
	certificates                 *office
}

// A node is one machine of a lab: a network namespace, with /run and /etc/resolv.conf of its own.
type node struct {
	lab      *lab
	name     string // as in "client"
	netns    string // as ip netns knows it
	run      string // the folder it sees as /run
	resolver string // the file it sees as /etc/resolv.conf
}

// The number of labs made so far; their namespaces are called ptn-PID-NUMBER-NODE.
var labs atomic.Int32

func newLab(t *testing.T, behindNAT bool) *lab {
	t.Helper()
	dir, err := os.MkdirTemp("", fmt.Sprintf("ptn-%d-", os.Getpid())) // short, for the paths of Unix sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l := &lab{t: t, dir: dir}
	number := labs.Add(1)
	l.client = l.addNode(number, "client")
	l.gateway = l.addNode(number, "gateway")
	l.inside = l.addNode(number, "inside")
	if behindNAT {
		l.nat = l.addNode(number, "nat")
		l.wire(l.client, "outside", hiddenAddress, l.nat, "inside", "192.168.77.1")
		l.client.ip("route", "add", "default", "via", "192.168.77.1")
		l.wire(l.nat, "outside", clientAddress, l.gateway, "outside", gatewayAddress)
		l.nat.ip("route", "add", "default", "via", gatewayAddress)
		l.nat.set("net/ipv4/ip_forward", "1")
		l.nat.nft(`chain postrouting {
			type nat hook postrouting priority 100
			oifname "outside" masquerade random
		}`)
	} else {
		l.wire(l.client, "outside", clientAddress, l.gateway, "outside", gatewayAddress)
		l.client.ip("route", "add", "default", "via", gatewayAddress)
	}
	l.wire(l.gateway, "inside", "10.99.1.1", l.inside, "outside", host1)
	for _, n := range []string{"2", "3"} {
		l.gateway.ip("address", "add", "10.99."+n+".1/24", "dev", "inside")
		l.inside.ip("address", "add", "10.99."+n+".10/24", "dev", "outside")
	}
	l.inside.ip("route", "add", "default", "via", "10.99.1.1")
	l.gateway.set("net/ipv4/ip_forward", "1")
	l.gateway.nft(`chain forward {
		type filter hook forward priority 0
		iifname "outside" counter drop
		oifname "outside" drop
	}
	chain input {
		type filter hook input priority 0
		meta l4proto esp counter
	}`)
	l.eventually("the links' state up", func() bool { // which the kernel notes a moment later, and network() tells
		for _, n := range []*node{l.client, l.gateway, l.inside, l.nat} {
			if n != nil && strings.Contains(n.ip("-brief", "link", "show", "type", "veth"), "DOWN") {
				return false
			}
		}
		return true
	})
	return l
}

func (l *lab) addNode(number int32, name string) *node {
	l.t.Helper()
	n := &node{lab: l, name: name, netns: fmt.Sprintf("ptn-%d-%d-%s", os.Getpid(), number, name)}
	n.run = l.folder(name + "-run")
	n.resolver = l.write(name+"-resolv.conf", "nameserver 127.0.0.1\n")
	l.must(exec.Command("ip", "netns", "add", n.netns))
	l.t.Cleanup(func() { exec.Command("ip", "netns", "delete", n.netns).Run() })
	n.ip("link", "set", "lo", "up")
	n.set("net/ipv4/conf/all/rp_filter", "0")
	n.set("net/ipv4/conf/default/rp_filter", "0")
	return n
}

// wire joins two nodes by a veth pair; an interface has the same name in every lab.
func (l *lab) wire(a *node, aName, aAddress string, b *node, bName, bAddress string) {
	l.t.Helper()
	l.must(exec.Command("ip", "link", "add", aName, "netns", a.netns, "type", "veth", "peer", "name", bName, "netns", b.netns))
	for _, end := range []struct {
		*node
		name, address string
	}{{a, aName, aAddress}, {b, bName, bAddress}} {
		end.ip("address", "add", end.address+"/24", "dev", end.name)
		end.ip("link", "set", end.name, "up")
	}
}

// must runs a command of the machine itself and ends the test when it fails.
func (l *lab) must(c *exec.Cmd) string {
	l.t.Helper()
	out, err := c.CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s: %v\n%s", strings.Join(c.Args, " "), err, out)
	}
	return string(out)
}

func (n *node) ip(args ...string) string {
	n.lab.t.Helper()
	return n.lab.must(exec.Command("ip", append([]string{"-n", n.netns}, args...)...))
}

// set writes a kernel parameter below /proc/sys, which shows each process its own namespace.
func (n *node) set(parameter, value string) {
	n.lab.t.Helper()
	n.must("sh", "-c", "echo "+value+" >/proc/sys/"+parameter)
}

// nft loads chains, whose closing braces stand on lines of their own.
func (n *node) nft(chains string) {
	n.lab.t.Helper()
	file := n.lab.write(n.name+".nft", "table inet lab {\n"+chains+"\n}\n")
	n.must("nft", "-f", file)
}

// counted tells the packets that the first counter of one of the gateway's chains saw: in "forward" those from outside
// that were asked to be forwarded in clear, and dropped; in "input" ESP as IP protocol 50.
func (l *lab) counted(chain string) int {
	l.t.Helper()
	out := l.gateway.must("nft", "list", "chain", "inet", "lab", chain)
	m := regexp.MustCompile(`packets (\d+)`).FindStringSubmatch(out)
	if m == nil {
		l.t.Fatalf("no counter in %q", out)
	}
	packets, _ := strconv.Atoi(m[1])
	return packets
}

// folder makes a folder of the lab's own.
func (l *lab) folder(name string) string {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// write writes a file that only its owner may read, and returns its path.
func (l *lab) write(name, content string) string {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// patience is how long anything in a lab may take that is bound to happen: seconds, unless the machine is busy.
const patience = time.Minute

// eventually ends the test unless the condition holds within the lab's patience.
func (l *lab) eventually(what string, condition func() bool) {
	l.t.Helper()
	for end := time.Now().Add(patience); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// sweep removes the namespaces and folders of test processes that were killed before they could do it.
func sweep() {
	for _, path := range leftovers("/run/netns") {
		exec.Command("ip", "netns", "delete", filepath.Base(path)).Run()
	}
	for _, path := range leftovers(os.TempDir()) {
		os.RemoveAll(path)
	}
}

// leftovers lists what is named ptn-PID-… in a folder, where no process has that number now.
func leftovers(folder string) []string {
	var dead []string
	found, _ := filepath.Glob(filepath.Join(folder, "ptn-*"))
	for _, path := range found {
		var pid int
		if n, _ := fmt.Sscanf(filepath.Base(path), "ptn-%d-", &pid); n != 1 {
			continue
		}
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			dead = append(dead, path)
		}
	}
	return dead
}
