package ike

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"postern/ike/isakmp"
)

// Selector is one side of the traffic that a child SA is for. Protocol and Port
// 0 mean any.
type Selector struct {
	Prefix   netip.Prefix
	Protocol uint8
	Port     uint16
}

func (s Selector) String() string {
	if s.Protocol == 0 && s.Port == 0 {
		return s.Prefix.String()
	}
	return fmt.Sprintf("%v protocol %d port %d", s.Prefix, s.Protocol, s.Port)
}

// id is the selector as a Quick Mode identity (RFC 2407, section 4.6.2).
func (s Selector) id() isakmp.ID {
	id := isakmp.SubnetID(s.Prefix)
	if s.Prefix.IsSingleIP() {
		id = isakmp.AddressID(s.Prefix.Addr())
	}
	id.Protocol, id.Port = s.Protocol, s.Port
	return id
}

// within says whether s is o or a part of it.
func (s Selector) within(o Selector) bool {
	return o.Prefix.Bits() <= s.Prefix.Bits() && o.Prefix.Contains(s.Prefix.Addr()) &&
		(o.Protocol == 0 || o.Protocol == s.Protocol) && (o.Port == 0 || o.Port == s.Port)
}

// ChildConfig is what a child SA shall be. To one side of Quick Mode it is the
// offer, to the other what it takes.
type ChildConfig struct {
	Proposals []ESPProposal // strongest first
	Group     isakmp.Group  // of perfect forward secrecy, 0 for none
	Lifetime  time.Duration
	// LifeOctets is a life in octets beside that, told in whole kilobytes; 0: none.
	LifeOctets uint64
	Local      Selector // an invalid prefix: no ID payloads, host to host
	Remote     Selector
	Ride       *Ride // if not nil, what else the last two messages carry

	// NewSPI gives the SPI that we'll receive on; nil: a random one.
	NewSPI func() uint32
	// Install is called before the peer can know that the child exists, so that
	// its first packet is understood. An error ends the exchange.
	Install func(*Child) error
	// Settled is called on the responder when message 3 has come and the child may
	// be sent on, or with the error if it hasn't.
	Settled func(*Child, error)
}

func (c *ChildConfig) newSPI() uint32 {
	if c.NewSPI != nil {
		return c.NewSPI()
	}
	for {
		if spi := random32(); spi > 255 {
			return spi
		}
	}
}

func (c *ChildConfig) install(child *Child) error {
	if c.Install == nil {
		return nil
	}
	return c.Install(child)
}

// QuickOffer is what a peer that begins a Quick Mode wants its child for, from
// our side. NoIDs: it sent none, which means the two hosts themselves.
type QuickOffer struct {
	Local, Remote Selector
	NoIDs         bool
	Repeated      <-chan struct{} // tells that the peer has repeated its offer, while Config.Quick decides
}

// Child is a negotiated pair of ESP SAs. Who receives it owns its keys.
type Child struct {
	Proposal                ESPProposal
	Encapsulated            bool // in UDP
	Group                   isakmp.Group
	InboundSPI, OutboundSPI uint32
	Inbound, Outbound       ChildKeys
	Local, Remote           Selector
	Lifetime                time.Duration // the shorter of both ends'; 0: none
	LifeOctets              uint64        // likewise
	Initiator               bool
}

// ChildKeys protect one direction.
type ChildKeys struct{ Encryption, Integrity []byte }

// Forget overwrites the keys.
func (c *Child) Forget() {
	for _, k := range []ChildKeys{c.Inbound, c.Outbound} {
		clear(k.Encryption)
		clear(k.Integrity)
	}
}

// encapsulation is the mode that children of this SA have.
func (sa *SA) encapsulation() isakmp.Encapsulation {
	if sa.info.NAT.Encapsulate() {
		return sa.info.NAT.version.tunnelMode()
	}
	return isakmp.EncapTunnel
}

// ids is IDci and IDcr: the initiator's side first.
func (q *quick) ids() []isakmp.Payload {
	if !q.local.Prefix.IsValid() || !q.remote.Prefix.IsValid() {
		return nil
	}
	ci, cr := q.local, q.remote
	if !q.initiator {
		ci, cr = cr, ci
	}
	return []isakmp.Payload{
		{Type: isakmp.PayloadID, Body: ci.id().Marshal()},
		{Type: isakmp.PayloadID, Body: cr.id().Marshal()},
	}
}

// readIDs is IDci and IDcr of a message; without any, they are the two hosts.
func (q *quick) readIDs(m *isakmp.Message) (ci, cr Selector, err error) {
	bodies := m.All(isakmp.PayloadID)
	switch len(bodies) {
	case 0:
		p := q.sa.Path()
		us, peer := host(p.Local.Addr()), host(p.Remote.Addr())
		if q.initiator {
			return us, peer, nil
		}
		return peer, us, nil
	case 2:
		if ci, err = readSelector(bodies[0]); err != nil {
			return ci, cr, fmt.Errorf("IDci: %w", err)
		}
		if cr, err = readSelector(bodies[1]); err != nil {
			return ci, cr, fmt.Errorf("IDcr: %w", err)
		}
		return ci, cr, nil
	}
	return ci, cr, fmt.Errorf("%d ID payloads where two are wanted", len(bodies))
}

func host(a netip.Addr) Selector {
	a = a.Unmap()
	return Selector{Prefix: netip.PrefixFrom(a, a.BitLen())}
}

func readSelector(body []byte) (Selector, error) {
	id, err := isakmp.ParseID(body)
	if err != nil {
		return Selector{}, err
	}
	p, ok := id.Prefix()
	if !ok {
		return Selector{}, fmt.Errorf("%v is no network", id)
	}
	return Selector{Prefix: p.Masked(), Protocol: id.Protocol, Port: id.Port}, nil
}

// narrow reads the selectors of message 2: what we asked for or a part of it,
// some peers with the sides swapped, some without any.
func (q *quick) narrow(m *isakmp.Message) error {
	if len(m.All(isakmp.PayloadID)) == 0 {
		return nil
	}
	ci, cr, err := q.readIDs(m)
	if err != nil {
		return err
	}
	switch {
	case !q.local.Prefix.IsValid():
		return errors.New("ID payloads where none were asked for")
	case ci.within(q.local) && cr.within(q.remote):
		q.local, q.remote = ci, cr
	case cr.within(q.local) && ci.within(q.remote):
		q.local, q.remote = cr, ci
	default:
		return fmt.Errorf("the peer answers with selectors %v and %v, which weren't asked for", ci, cr)
	}
	return nil
}

// offeredGroup is the group of the first transform of an SA payload.
func offeredGroup(body []byte) isakmp.Group {
	sa, err := isakmp.ParseSA(body)
	if err != nil {
		return 0
	}
	for _, p := range sa.Proposals {
		for _, t := range p.Transforms {
			if r, err := readESP(t); err == nil {
				return r.group
			}
		}
	}
	return 0
}

// child makes the keys of what was agreed on.
func (q *quick) child() (*Child, error) {
	enc, auth, err := q.chosen.keyLengths()
	if err != nil {
		return nil, err
	}
	keys := func(spi uint32) ChildKeys {
		k := q.sa.keys.keymat(enc+auth, q.gqmxy, isakmp.ProtoESP, spi, q.niB, q.nrB)
		return ChildKeys{Encryption: k[:enc:enc], Integrity: k[enc:]}
	}
	c := &Child{
		Proposal: q.chosen.ESPProposal, Encapsulated: q.sa.info.NAT.Encapsulate(), Group: q.cfg.Group,
		InboundSPI: q.ourSPI, OutboundSPI: q.theirSPI,
		Inbound: keys(q.ourSPI), Outbound: keys(q.theirSPI),
		Local: q.local, Remote: q.remote,
		Lifetime: shorter(q.cfg.Lifetime, q.chosen.life), LifeOctets: shorter(q.cfg.LifeOctets, q.chosen.kbytes*1024),
		Initiator: q.initiator,
	}
	return c, nil
}
