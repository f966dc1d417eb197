package hostnet

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

// The service's names (org.freedesktop.resolve1(5)).
const (
	resolvedName    = "org.freedesktop.resolve1"
	resolvedPath    = "/org/freedesktop/resolve1"
	resolvedManager = resolvedName + ".Manager."
)

// resolvedTimeout bounds a conversation with the service, which restarts at times.
const resolvedTimeout = 5 * time.Second

// resolvedStep tells systemd-resolved the name servers and domains of the TUN device.
type resolvedStep struct {
	Link   int          `json:"link"` // index
	DNS    []netip.Addr `json:"dns"`
	Search []string     `json:"search"`
	Split  []string     `json:"split"`
}

func systemBus(ctx context.Context) (*dbus.Conn, error) {
	return dbus.ConnectSystemBus(dbus.WithContext(ctx))
}

// resolvedRuns says whether the service is on the bus.
func (h *host) resolvedRuns(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, resolvedTimeout)
	defer cancel()
	conn, err := h.bus(ctx)
	if err != nil {
		return false
	}
	defer conn.Close()
	var runs bool
	err = conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, resolvedName).Store(&runs)
	return err == nil && runs
}

func (s *resolvedStep) String() string { return "name servers for systemd-resolved" }

// The arguments of SetLinkDNS and SetLinkDomains: signatures a(iay) and a(sb).
type (
	linkDNS struct {
		Family  int32
		Address []byte
	}
	linkDomain struct {
		Domain      string
		RoutingOnly bool
	}
)

func (s *resolvedStep) do(ctx context.Context, h *host) error {
	servers := []linkDNS{}
	for _, a := range s.DNS {
		family := int32(unix.AF_INET)
		if a.Is6() {
			family = unix.AF_INET6
		}
		servers = append(servers, linkDNS{family, a.AsSlice()})
	}
	domains := []linkDomain{}
	for _, d := range s.Search {
		domains = append(domains, linkDomain{d, false})
	}
	for _, d := range s.Split {
		domains = append(domains, linkDomain{d, true})
	}
	all := len(s.Split) == 0 && len(s.DNS) > 0
	if all {
		domains = append(domains, linkDomain{".", true}) // the root: these servers before those of other links
	}
	return h.resolved(ctx, func(call func(string, ...any) error) error {
		if err := call("SetLinkDNS", int32(s.Link), servers); err != nil {
			return err
		}
		if err := call("SetLinkDomains", int32(s.Link), domains); err != nil {
			return err
		}
		err := call("SetLinkDefaultRoute", int32(s.Link), all)
		if err != nil && !isDBus(err, "org.freedesktop.DBus.Error.UnknownMethod") { // systemd before 240: the domains say it all
			return err
		}
		s.suit(call)
		return nil
	})
}

// suit turns off what servers inside a tunnel rarely have, though the host's own may be set to insist on it, and what asks
// neighbours that a tunnel doesn't have. Answers from before the tunnel are forgotten: a name that wasn't there may be now.
// Old versions know only some of this; names are found all the same.
func (s *resolvedStep) suit(call func(string, ...any) error) {
	for _, setting := range []string{"SetLinkDNSSEC", "SetLinkDNSOverTLS", "SetLinkLLMNR", "SetLinkMulticastDNS"} {
		_ = call(setting, int32(s.Link), "no")
	}
	_ = call("FlushCaches")
}

// undo makes the service forget the link. Where the service or the link is gone there is nothing to forget.
func (s *resolvedStep) undo(h *host) error {
	if !h.resolvedRuns(context.Background()) {
		return nil
	}
	return h.resolved(context.Background(), func(call func(string, ...any) error) error {
		err := call("RevertLink", int32(s.Link))
		_ = call("FlushCaches") // of names that are inside alone
		if isDBus(err, "org.freedesktop.resolve1.NoSuchLink", "org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner") {
			return nil
		}
		return err
	})
}

// resolved runs a conversation with the service over a connection of its own.
func (h *host) resolved(ctx context.Context, talk func(call func(method string, args ...any) error) error) error {
	ctx, cancel := context.WithTimeout(ctx, resolvedTimeout)
	defer cancel()
	conn, err := h.bus(ctx)
	if err != nil {
		return fmt.Errorf("system bus: %w", err)
	}
	defer conn.Close()
	o := conn.Object(resolvedName, resolvedPath)
	return talk(func(method string, args ...any) error {
		if err := o.CallWithContext(ctx, resolvedManager+method, 0, args...).Err; err != nil {
			return fmt.Errorf("%s: %w", method, err)
		}
		return nil
	})
}

// isDBus says whether err is a D-Bus error of one of these names.
func isDBus(err error, names ...string) bool {
	var e dbus.Error
	if !errors.As(err, &e) {
		return false
	}
	for _, n := range names {
		if e.Name == n {
			return true
		}
	}
	return false
}
