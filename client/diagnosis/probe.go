package diagnosis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"

	"postern/client/localapi"
	"postern/client/profile"
	"postern/ike"
	"postern/ike/isakmp"
)

// Ports of a gateway.
const (
	ikePort  = 500  // RFC 2408, section 2.5.1
	nattPort = 4500 // RFC 3948, section 2.1
)

// Probe asks a gateway what it answers to, slowly: one datagram in flight, a minute
// at most, and never more than the first message of an exchange. It needs no
// privileges. Errors: *profile.Error for a host that can't be one, *localapi.Reason
// for one that can't be found or sent anything, or the context's. A gateway that
// doesn't answer is a report.
func Probe(ctx context.Context, r localapi.ProbeRequest) (*localapi.ProbeReport, error) {
	g, id, err := parseRequest(r)
	if err != nil {
		return nil, err
	}
	addresses, err := resolve(ctx, g.Host)
	if err != nil {
		return nil, notFound(g.Host, err)
	}
	gateway := reachable(addresses)
	w, err := openWire(gateway)
	if err != nil {
		return nil, err
	}
	defer w.close()
	p := newProber(&asker{limits: politely, send: w.send, inbox: w.inbox, refusals: w.refusals}, netip.AddrPortFrom(gateway, g.Port), id)
	p.report.Host = g.String()
	for _, a := range addresses {
		p.report.Addresses = append(p.report.Addresses, a.String())
	}
	return p.run(ctx)
}

// parseRequest returns the gateway, and the identities to try in Aggressive Mode.
func parseRequest(r localapi.ProbeRequest) (profile.Gateway, []isakmp.ID, error) {
	g, err := profile.ParseGateway(r.Host)
	if err != nil {
		return g, nil, &profile.Error{Key: "gateway", Problem: err.Error()}
	}
	if r.Identity == "" {
		return g, nil, nil
	}
	text, err := profile.Parse(fmt.Appendf(nil, "gateway = %q\nidentity = %s\n", r.Host, quote(r.Identity)), "probe")
	if err != nil {
		return g, nil, err
	}
	named := profile.IdentityType(r.IdentityType)
	if named == "" {
		named = text.IdentityType
	}
	t, ok := identityTypes[named]
	if !ok {
		return g, nil, &profile.Error{Key: "identity_type", Problem: fmt.Sprintf("a probe can't ask with an identity of type %q", named)}
	}
	ids := []isakmp.ID{{Type: t, Data: []byte(r.Identity)}}
	if r.IdentityType == "" && t == isakmp.IDKeyID {
		ids = append(ids, isakmp.ID{Type: isakmp.IDFQDN, Data: []byte(r.Identity)})
	}
	return g, ids, nil
}

// identityTypes are the forms that an identity named on its own can have.
var identityTypes = map[profile.IdentityType]isakmp.IDType{
	profile.TypeKeyID: isakmp.IDKeyID, profile.TypeFQDN: isakmp.IDFQDN, profile.TypeUserFQDN: isakmp.IDUserFQDN,
}

// resolve returns the addresses of a host, those of IPv4 first.
func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i] = all[i].Unmap()
	}
	slices.SortStableFunc(all, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return slices.Compact(all), nil
}

// reachable is the first address that there is a way to, or else the first. Nothing
// is sent.
func reachable(all []netip.Addr) netip.Addr {
	for _, a := range all {
		if c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, ikePort))); err == nil {
			c.Close()
			return a
		}
	}
	return all[0]
}

// notFound says that a host has no address.
func notFound(host string, err error) error {
	return &localapi.Reason{
		Code: "name_not_found", Exit: localapi.ExitTimeout, Message: fmt.Sprintf("%s has no address.", host),
		Try: "Check the name, and that name resolution works here.", Detail: err.Error(),
	}
}

// prober is one probe.
type prober struct {
	*asker
	report *localapi.ProbeReport
	began  time.Time

	paths            []ike.Path // where a gateway may answer
	to               ike.Path   // where this one does
	alive            bool       // something was answered
	main, aggressive mode
	identities       []isakmp.ID // to try in Aggressive Mode
	vendorIDs        [][]byte

	refused  func(context.Context) (*answer, error) // asks again what was refused with a notify
	silences int                                    // questions in a row
	sure     bool                                   // silence is how this gateway refuses
	more     bool                                   // it accepts more than was asked for
}

// mode is what one mode of phase 1 showed.
type mode struct {
	exchange isakmp.ExchangeType
	id       isakmp.ID
	asked    bool
	accepted []ike.Choice // each proposal once
	methods  []isakmp.AuthMethod
	refusals []isakmp.NotifyType
	complete bool
}

func newProber(a *asker, gateway netip.AddrPort, ids []isakmp.ID) *prober {
	p := &prober{
		asker: a, report: &localapi.ProbeReport{Schema: 1, Address: gateway.Addr().String()}, began: time.Now(),
		main: mode{exchange: isakmp.ExchangeMain}, aggressive: mode{exchange: isakmp.ExchangeAggressive}, identities: ids,
	}
	path := func(port uint16) ike.Path {
		// As a client dials: only port 500 goes without the marker.
		return ike.Path{Remote: netip.AddrPortFrom(gateway.Addr(), port), Marker: port != ikePort}
	}
	p.paths = []ike.Path{path(gateway.Port())}
	if gateway.Port() == ikePort {
		p.paths = append(p.paths, path(nattPort))
	}
	p.to = p.paths[0]
	return p
}

// errGone says that a gateway which had answered doesn't any more.
var errGone = errors.New("the gateway answers no more")

// reserved is how many exchanges are left for Aggressive Mode.
const reserved = 2

// run asks, stage by stage.
func (p *prober) run(parent context.Context) (*localapi.ProbeReport, error) {
	ctx, cancel := context.WithTimeout(parent, p.total)
	defer cancel()
	var err error
	for _, stage := range []func(context.Context) error{p.meet, p.askVersion2, p.find, p.askMethods, p.askProposals, p.askAggressive, p.verify} {
		if err = stage(ctx); err != nil {
			break
		}
	}
	switch {
	case parent.Err() != nil:
		return nil, context.Cause(parent)
	case err == nil:
	case errors.Is(err, errGone):
		p.main.complete = false
		p.note("After %d exchanges the gateway answered nothing more. Many bear only so many that aren't finished, and forget them within a minute: ask again then for the rest.", p.open)
	case errors.Is(err, errEnough), errors.Is(err, context.DeadlineExceeded):
		p.note("Not everything was asked: a probe ends after %d datagrams, %d exchanges or %v.", p.datagrams, p.halfOpen, p.total)
	case errors.Is(err, errClosed):
	default:
		return nil, &localapi.Reason{
			Code: "network", Exit: localapi.ExitNetwork, Message: fmt.Sprintf("Nothing can be sent to %v from here.", p.to.Remote),
			Try: "Check your network; postern doctor looks at this machine's.", Detail: err.Error(),
		}
	}
	p.tell()
	return p.report, nil
}

// ask asks one question and notes what was said; nil is silence.
func (p *prober) ask(ctx context.Context, m *mode, proposals []ike.Proposal, methods []isakmp.AuthMethod, sends int) (*answer, error) {
	a, err := p.once(ctx, m, proposals, methods, sends)
	m.asked = true
	switch {
	case err != nil:
		return nil, err
	case a == nil:
		p.silences++
		return nil, p.doubt(ctx)
	case a.accepts:
		m.accept(a.choice)
	default:
		if !slices.Contains(m.refusals, a.notify) {
			m.refusals = append(m.refusals, a.notify)
		}
		if m.exchange == isakmp.ExchangeMain {
			p.refused = func(ctx context.Context) (*answer, error) { return p.once(ctx, m, proposals, methods, 2) }
		}
	}
	p.alive, p.silences = true, 0
	for _, id := range a.vendorIDs {
		if !slices.ContainsFunc(p.vendorIDs, func(known []byte) bool { return string(known) == string(id) }) {
			p.vendorIDs = append(p.vendorIDs, id)
		}
	}
	if a.identity != nil {
		p.report.Identity = a.identity.String()
	}
	p.report.OfflineGuessing = p.report.OfflineGuessing || a.hash && slices.Contains(withKey, a.choice.Method)
	return a, nil
}

func (p *prober) once(ctx context.Context, m *mode, proposals []ike.Proposal, methods []isakmp.AuthMethod, sends int) (*answer, error) {
	q, err := newQuestion(m.exchange, proposals, methods, m.id)
	if err != nil {
		return nil, err
	}
	return p.asker.ask(ctx, q, p.to, sends)
}

func (m *mode) accept(c ike.Choice) {
	if !slices.Contains(m.proposals(), c.Proposal) {
		m.accepted = append(m.accepted, c)
	}
	if !slices.Contains(m.methods, c.Method) {
		m.methods = append(m.methods, c.Method)
	}
}

// proposals are those accepted.
func (m *mode) proposals() (ps []ike.Proposal) {
	for _, c := range m.accepted {
		ps = append(ps, c.Proposal)
	}
	return ps
}

// ignoreClosed lets later stages run: another port or mode may answer.
func ignoreClosed(err error) error {
	if errors.Is(err, errClosed) {
		return nil
	}
	return err
}
