package diagnosis

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"postern/client/localapi"
	"postern/client/profile"
)

// The topics of the machine.
var (
	topicTUN       = topic{"tun_device", "TUN device"}
	topicClock     = topic{"clock", "Clock"}
	topicRoute     = topic{"default_route", "Way to the Internet"}
	topicPorts     = topic{"ike_ports", "Other IKE software"}
	topicOtherVPNs = topic{"other_vpns", "Other tunnels"}
	topicResolver  = topic{"resolver", "Name resolution"}
)

// machine checks what all connections need.
func (f *facts) machine(s Subject) []localapi.Check {
	return []localapi.Check{
		f.checkTUN(s), f.checkClock(s), f.checkRoute(), f.checkPorts(s), f.checkOtherVPNs(s), f.checkResolver(),
	}
}

func (f *facts) checkTUN(s Subject) localapi.Check {
	const module = "Load it: sudo modprobe tun. In a container, give it the device: --device /dev/net/tun --cap-add NET_ADMIN. Or connect without it: postern run --rootless."
	system := s.Snapshot != nil && s.Snapshot.Mode == localapi.ModeSystem
	switch {
	case !f.linux:
		return topicTUN.skip(elsewhere)
	case errors.Is(f.tun, fs.ErrPermission) && system:
		return topicTUN.ok("Only the service may open /dev/net/tun, and it runs.")
	case errors.Is(f.tun, fs.ErrPermission):
		return topicTUN.warn("Start the service (sudo systemctl start postern), or connect without a device: postern run --rootless.", "/dev/net/tun is there, but you may not open it.")
	case f.tun != nil:
		return topicTUN.fail(module, "/dev/net/tun can't be opened: %s.", systemError(f.tun))
	case !f.netAdmin && !system:
		return topicTUN.warn("Start the service (sudo systemctl start postern), use sudo, or connect without a device: postern run --rootless.", "/dev/net/tun is there, but making a tunnel takes a right that you don't have, and no service answers that has it.")
	}
	return topicTUN.ok("/dev/net/tun is there.")
}

// systemError is an error without the path that it begins with.
func systemError(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}

// checkClock compares the clock with what can't lie in the future, and asks the kernel
// whether somebody keeps it right. Certificates and one-time codes depend on it.
func (f *facts) checkClock(s Subject) localapi.Check {
	const set = "Set the clock, and let it be kept: sudo timedatectl set-ntp true."
	shown := f.now.Format("2006-01-02 15:04:05 MST")
	if f.built.After(f.now.Add(time.Hour)) {
		return topicClock.fail(set, "It says %s, but this program was made on %s.", shown, f.built.Format(time.DateOnly))
	}
	needs := slices.ContainsFunc(s.Profiles, func(p *profile.Profile) bool { return p.Auth != profile.AuthPSK || p.OTP == profile.OTPTime })
	switch {
	case f.synced == nil:
		return topicClock.ok("It says %s. Whether anything keeps it right isn't known.", shown)
	case *f.synced:
		return topicClock.ok("It says %s, and is kept right.", shown)
	case needs:
		return topicClock.warn(set, "It says %s, and nothing keeps it right: certificates and one-time codes fail when it is wrong.", shown)
	}
	return topicClock.ok("It says %s. Nothing keeps it right, which matters only to certificates and one-time codes.", shown)
}

// builtAt is when the program's source was committed; zero: unknown.
func builtAt() (t time.Time) {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" {
				t, _ = time.Parse(time.RFC3339, s.Value)
			}
		}
	}
	return t
}

func (f *facts) checkRoute() localapi.Check {
	if !f.linux {
		return topicRoute.skip(elsewhere)
	}
	v4, v6 := f.defaults(32), f.defaults(128)
	var ways []string
	for _, r := range slices.Concat(v4, v6) {
		ways = append(ways, r.text)
	}
	switch {
	case len(ways) == 0:
		return topicRoute.fail("Connect to a network. Without a default route only gateways on the same network can be reached.", "There is no default route.")
	case len(v4) == 0:
		return topicRoute.warn("Gateways with an IPv4 address can't be reached.", "There is a default route for IPv6 only: %s.", strings.Join(ways, "; "))
	}
	return topicRoute.ok("%s.", strings.Join(ways, "; "))
}

// ikeDaemons are programs that speak IKE for the kernel's IPsec.
var ikeDaemons = []string{"charon", "charon-systemd", "charon-nm", "pluto", "racoon", "iked", "isakmpd", "starter"}

func (f *facts) checkPorts(s Subject) localapi.Check {
	if !f.linux {
		return topicPorts.skip(elsewhere)
	}
	var others []string
	daemon := false
	for _, h := range f.holders {
		switch {
		case h.program == "postern" || h.program == "concentrator":
		case h.program == "":
			others = append(others, fmt.Sprintf("a program that you may not see (UDP %d)", h.port))
		default:
			others = append(others, fmt.Sprintf("%s, process %d (UDP %d)", h.program, h.pid, h.port))
			daemon = daemon || slices.Contains(ikeDaemons, h.program)
		}
	}
	if len(others) == 0 {
		return topicPorts.ok("Nobody else holds UDP 500 or 4500.")
	}
	slices.Sort(others)
	who := strings.Join(others, ", ")
	if i := slices.IndexFunc(s.Profiles, func(p *profile.Profile) bool { return p.SourcePort == ikePort }); i >= 0 {
		return topicPorts.fail("Stop the other program (such as sudo systemctl stop strongswan), or leave source_port out of the profile.", "The profile %s wants UDP 500 for itself, which others hold: %s.", s.Profiles[i].Name, who)
	}
	advice := "Both can run side by side: postern uses a port of its own. If it has a connection to the same gateway or networks, stop that one."
	if daemon {
		advice += " Its policies in the kernel may take packets that are meant for postern's tunnel (ip xfrm policy)."
	}
	return topicPorts.warn(advice, "Held by %s.", who)
}

func (f *facts) checkOtherVPNs(s Subject) localapi.Check {
	if !f.linux {
		return topicOtherVPNs.skip(elsewhere)
	}
	var ours []string
	for _, t := range s.up() {
		ours = append(ours, t.Tunnel.Interface)
	}
	var names []string
	takesAll := false
	for _, l := range f.tunnels(ours) {
		names = append(names, fmt.Sprintf("%s (%s)", l.name, l.kind))
		takesAll = takesAll || slices.ContainsFunc(f.routes, func(r route) bool { return r.dev == l.name && r.to.Bits() <= 1 })
	}
	switch {
	case len(names) == 0:
		return topicOtherVPNs.ok("No other VPN is up.")
	case takesAll:
		return topicOtherVPNs.warn("Postern then connects through the other one. If that isn't what you want, end it first.", "Up: %s, with a route for everything.", strings.Join(names, ", "))
	}
	return topicOtherVPNs.ok("Up: %s, which take only networks of their own.", strings.Join(names, ", "))
}

func (f *facts) checkResolver() localapi.Check {
	r := f.resolver
	switch {
	case !f.linux:
		return topicResolver.skip(elsewhere)
	case r.text == "" && r.links == nil:
		return topicResolver.warn("Names can't be looked up unless something else does it.", "There is no /etc/resolv.conf, or nothing in it.")
	case r.asksResolved():
		return topicResolver.ok("systemd-resolved, which can send a tunnel's domains to the tunnel's servers and the others elsewhere.")
	case len(r.servers) == 0:
		return topicResolver.warn("Add a name server to /etc/resolv.conf, or let your system do it.", "/etc/resolv.conf names no server.")
	case r.links != nil:
		return topicResolver.warn("Make it a link, so that a tunnel's domains can be kept apart: sudo ln -sf ../run/systemd/resolve/stub-resolv.conf /etc/resolv.conf.", "systemd-resolved runs, but /etc/resolv.conf leads past it, to %s.", list(r.servers))
	}
	return topicResolver.ok("/etc/resolv.conf, with %s. While a tunnel with name servers is up all names are asked of those.", list(r.servers))
}

// asksResolved says whether programs that read resolv.conf ask systemd-resolved.
func (r resolver) asksResolved() bool {
	if r.links == nil {
		return false
	}
	if strings.HasPrefix(r.file, "/run/systemd/resolve/") {
		return true
	}
	for _, a := range r.servers {
		if s := a.String(); s == "127.0.0.53" || s == "127.0.0.54" {
			return true
		}
	}
	return false
}
