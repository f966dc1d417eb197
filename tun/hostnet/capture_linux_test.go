package hostnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// capture sees what arrives at the far ends of uplinks.
type capture struct{ sockets []int }

// openCapture listens at these devices from now on.
func openCapture(t *testing.T, devices ...string) *capture {
	t.Helper()
	c := &capture{}
	for _, name := range devices {
		link, err := netlink.LinkByName(name)
		check(t, err)
		all := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_ALL))
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		check(t, err)
		t.Cleanup(func() { unix.Close(fd) })
		check(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20))
		check(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: link.Attrs().Index}))
		c.sockets = append(c.sockets, fd)
	}
	return c
}

// packets takes the UDP, TCP and ESP packets that are there, each told by label.
func (c *capture) packets(t *testing.T) (labels []string) {
	t.Helper()
	b := make([]byte, 1<<16)
	for _, fd := range c.sockets {
		for {
			n, _, err := unix.Recvfrom(fd, b, 0)
			if errors.Is(err, unix.EAGAIN) {
				break
			}
			check(t, err)
			if n > 14 {
				if l := label(b[14:n]); l != "" {
					labels = append(labels, l)
				}
			}
		}
	}
	return labels
}

// label is "DESTINATION PROTOCOL PORT", with the name that a DNS query asks for; "" for other protocols.
func label(p []byte) string {
	var dst netip.Addr
	var proto byte
	switch p[0] >> 4 {
	case 4:
		dst, proto, p = netip.AddrFrom4([4]byte(p[16:20])), p[9], p[20:]
	case 6:
		dst, proto, p = netip.AddrFrom16([16]byte(p[24:40])), p[6], p[40:]
	}
	switch proto {
	case unix.IPPROTO_ESP:
		return dst.String() + " esp"
	case unix.IPPROTO_TCP, unix.IPPROTO_UDP:
		name := map[byte]string{unix.IPPROTO_TCP: "tcp", unix.IPPROTO_UDP: "udp"}[proto]
		port := binary.BigEndian.Uint16(p[2:])
		l := fmt.Sprintf("%s %s %d", dst, name, port)
		if port == 53 && proto == unix.IPPROTO_UDP {
			l += " " + queried(p[8:])
		}
		return l
	}
	return ""
}

// queried is the name in a DNS query.
func queried(message []byte) string {
	var labels []string
	for b := message[12:]; b[0] != 0; b = b[1+b[0]:] {
		labels = append(labels, string(b[1:1+b[0]]))
	}
	return strings.Join(labels, ".")
}

// neighbour makes packets to a next hop leave, though nobody is there to say where it is.
func neighbour(t *testing.T, device string, addresses ...string) {
	t.Helper()
	link, err := netlink.LinkByName(device)
	check(t, err)
	for _, a := range addresses {
		check(t, netlink.NeighSet(&netlink.Neigh{
			LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: netip.MustParseAddr(a).AsSlice(),
			HardwareAddr: []byte{2, 0, 0, 0, 0, 1},
		}))
	}
}

// noise are the destinations to which the process of noiseMaker sends, without end: "ADDRESS:PORT" or "ADDRESS:53 NAME".
var noise = []string{
	"203.0.113.1:4500", "203.0.113.1:500", "203.0.113.1:443", // the gateway
	"10.99.1.1:9", "8.8.8.8:9", "[2001:db8:30::1]:9", "[2001:db9::1]:9",
	"198.51.100.7:9", "192.168.1.77:9", "192.0.2.1:9",
	"192.0.2.1:53 host.corp.example", "192.0.2.1:53 CORP.Example", "192.0.2.1:53 a.b.c.d.e.f.host.corp.example",
	"192.0.2.1:53 www.example.org", "192.0.2.1:53 notcorp.example", "192.168.1.77:53 host.corp.example", "192.168.1.77:53 www.example.org",
	"10.20.0.53:53 host.corp.example", "198.51.100.7:53 www.example.org",
}

// noiseMaker is the process.
func noiseMaker() error {
	for {
		for _, n := range noise {
			where, name, _ := strings.Cut(n, " ")
			to := netip.MustParseAddrPort(where)
			text := []byte("noise")
			if name != "" {
				text = query(name)
			}
			shout(to, unix.SOCK_DGRAM, text)
			if to.Port() == 9 {
				shout(to, unix.SOCK_STREAM, nil) // a SYN
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// query is a DNS query for the addresses of a name.
func query(name string) []byte {
	b := []byte{0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	b = append(b, wireName(name)...)
	return append(b, 0, 1, 0, 1)
}

// shout sends one packet, or tries to.
func shout(to netip.AddrPort, kind int, data []byte) {
	family, sa := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(to.Port())})
	if to.Addr().Is4() {
		sa.(*unix.SockaddrInet4).Addr = to.Addr().As4()
	} else {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()}
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if kind == unix.SOCK_STREAM {
		_ = unix.Connect(fd, sa)
		return
	}
	_ = unix.Sendto(fd, data, 0, sa)
}

// startNoise starts it in the calling thread's namespaces.
func startNoise(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = []string{"HOSTNET_TEST_JOB=noise"}
	check(t, cmd.Start())
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	return cmd
}
