package tun

import (
	"context"
	"slices"
	"sync"
	"time"
)

// PathMTU follows how large an outer packet the way to the gateway carries: the
// first link's MTU, less where a router said so (ICMP "fragmentation needed",
// "packet too big") or where large packets vanish.
//
//	path := tun.NewPathMTU(way.MTU, gateway.Is6())
//	carrier.OnPathMTU(func(remote netip.Addr, mtu int) { if remote == gateway { path.Reported(mtu) } })
//	tunnel.OnBlackHole(path.BlackHole)
//	for outer := range path.Changed() { … tunnel.SetMTU(inner); host.SetMTU(inner) }
//
// Any goroutine may call any method.
type PathMTU struct {
	mu       sync.Mutex
	link     int // octets, as the others
	least    int // what each link must carry
	reported int // by a router; 0: nothing
	hole     int // what passes where more vanishes; 0: nothing known
	told     int // what Changed was told last
	forget   *time.Timer
	changed  chan int
	closed   bool
}

const (
	leastIPv4 = 576  // what each host takes (RFC 1122, section 3.3.2); links with less are no more
	leastIPv6 = 1280 // RFC 8200, section 5

	// reportLasts is how long a router's word is believed before more is tried again
	// (RFC 1191, section 6.3).
	reportLasts = 10 * time.Minute
)

// plateaus are the sizes to try when larger packets vanish and nobody says how much
// would pass, the largest first. Chosen here: Ethernet; what most encapsulations leave of
// it; what each link of IPv6 carries, as do nearly all others; what each host takes.
var plateaus = []int{1500, 1400, 1280, leastIPv4}

// NewPathMTU begins with the first link's MTU, in octets.
func NewPathMTU(link int, ipv6 bool) *PathMTU {
	p := &PathMTU{changed: make(chan int, 1)}
	p.begin(link, ipv6)
	p.told = p.size()
	return p
}

// Reset begins anew: another uplink, another gateway.
func (p *PathMTU) Reset(link int, ipv6 bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.begin(link, ipv6)
	p.tell()
}

func (p *PathMTU) begin(link int, ipv6 bool) {
	p.link, p.least, p.reported, p.hole = link, leastIPv4, 0, 0
	if ipv6 {
		p.least = leastIPv6
	}
	if p.forget != nil {
		p.forget.Stop()
	}
}

// Reported takes what a router said: an MTU in octets; 0 from one that doesn't say
// how much it is. It lowers only, and not below what each link must carry (576
// octets with IPv4, 1280 with IPv6): whoever guesses the ports can forge it. After
// 10 minutes it is forgotten, and more is tried again.
func (p *PathMTU) Reported(mtu int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if mtu <= 0 {
		mtu = p.below(p.size())
	}
	mtu = max(mtu, p.least)
	if mtu >= p.size() || p.closed {
		return
	}
	p.reported = mtu
	if p.forget != nil {
		p.forget.Stop()
	}
	var t *time.Timer
	t = time.AfterFunc(reportLasts, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.forget == t { // else it is about a later report
			p.reported = 0
			p.tell()
		}
	})
	p.forget = t
	p.tell()
}

// BlackHole takes that packets of the present size don't arrive, and goes down to
// 1280 octets at once, or with IPv4 from there to 576: a connection that has lost its
// large packets waits twice as long each time. It holds until Reset.
func (p *PathMTU) BlackHole() {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := leastIPv6
	if p.size() <= leastIPv6 {
		size = p.below(p.size())
	}
	p.hole = max(size, p.least)
	p.tell()
}

// Search asks a peer whether packets arrive that a router may have dropped without a
// word: ask sends one of so many outer octets, of which nothing may be fragmented, and
// says whether it was answered by one of the same size. When the present size isn't
// answered the larger one of 1400 and 1280 octets that is takes its place; when none is,
// or ctx ends, nothing is known and all stays as it is: there are hosts that answer no
// large pings. Sizes that no link outside of this host has aren't asked about.
func (p *PathMTU) Search(ctx context.Context, ask func(ctx context.Context, size int) bool) {
	const small, jumbo = 256, 9216
	size := p.MTU()
	if size > jumbo || !ask(ctx, small) || ask(ctx, size) {
		return
	}
	for _, plateau := range plateaus {
		if plateau < size && plateau >= leastIPv6 && ask(ctx, plateau) {
			p.passes(size, plateau)
			return
		}
	}
}

// passes takes that size vanishes and plateau arrives, unless size is history.
func (p *PathMTU) passes(size, plateau int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.size() == size {
		p.hole = plateau
		p.tell()
	}
}

// MTU is the largest outer IP packet, in octets.
func (p *PathMTU) MTU() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.size()
}

func (p *PathMTU) size() int {
	size := p.link
	for _, n := range []int{p.reported, p.hole} {
		if n > 0 {
			size = min(size, n)
		}
	}
	return size
}

// below is the next plateau below a size, or the size itself.
func (p *PathMTU) below(size int) int {
	if i := slices.IndexFunc(plateaus, func(n int) bool { return n < size }); i >= 0 {
		return plateaus[i]
	}
	return size
}

// tell puts a new size where Changed finds it, in place of one that nobody took.
func (p *PathMTU) tell() {
	size := p.size()
	if p.closed || size == p.told {
		return
	}
	p.told = size
	select {
	case <-p.changed:
	default:
	}
	p.changed <- size
}

// Changed delivers MTU after each change, the latest one to whoever is late. It is
// closed by Close.
func (p *PathMTU) Changed() <-chan int { return p.changed }

// Close ends it.
func (p *PathMTU) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	if p.forget != nil {
		p.forget.Stop()
	}
	close(p.changed)
}
