package hostnet

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	mdnetlink "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// makeTable puts a kill switch in force, and takes back the one that was before.
//
// Its chain hangs behind routing and every translation of the destination (postrouting), so that it sees what the host
// sends and what it forwards for others, with the device that it really leaves by. It only ever drops: what it lets
// through is still up to the tables of others.
//
// The new table stands beside the old one for a moment, under the other one of two names. In a single transaction that
// deletes and adds, a packet that is on its way through the chains can meet the new one before and the old one after.
func (h *host) makeTable(r *guardRecord) error {
	inside, lan, err := h.neighbours(r.Config.Interface)
	if err != nil {
		return err
	}
	there, err := tables()
	if err != nil {
		return err
	}
	add, remove := r.Table, secondName(r.Table)
	if there[add] {
		add, remove = remove, add
	}
	if err := transaction(add, func(t *ruleset) { t.build(&r.Config, inside, lan) }); err != nil {
		return err
	}
	if there[remove] {
		return transaction(remove, nil)
	}
	return nil
}

// secondName is what the table is called every other time. No ID makes a dot.
func secondName(table string) string { return table + ".2" }

// tables lists those of our family.
func tables() (map[string]bool, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, noFirewall(err)
	}
	all, err := c.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return nil, noFirewall(err)
	}
	names := map[string]bool{}
	for _, t := range all {
		names[t.Name] = true
	}
	return names, nil
}

// removeTable deletes a kill switch; one that isn't there is deleted already.
func removeTable(name string) error {
	return errors.Join(transaction(name, nil), transaction(secondName(name), nil))
}

// transaction deletes a table, and makes it again unless build is nil.
func transaction(name string, build func(*ruleset)) error {
	c, err := nftables.New(nftables.AsLasting(), nftables.WithSockOptions(roomy))
	if err != nil {
		return noFirewall(err)
	}
	defer c.CloseLasting()
	t := &ruleset{conn: c, table: &nftables.Table{Name: name, Family: nftables.TableFamilyINet}}
	c.AddTable(t.table) // else there may be none to delete
	c.DelTable(t.table)
	if build != nil {
		c.AddTable(t.table)
		build(t)
	}
	return noFirewall(errors.Join(t.err, c.Flush()))
}

// roomy makes room for a transaction of thousands of rules, some 500 octets each, and for the answers to it, which the
// kernel counts at some 3 kB. It is only taken when needed.
func roomy(c *mdnetlink.Conn) error {
	return errors.Join(c.SetWriteBuffer(16<<20), c.SetReadBuffer(64<<20))
}

// noFirewall says what the kernel's refusal means: the protocol, the family or a kind of expression is unknown to it. Of
// an error for each of many rules the first one is enough.
func noFirewall(err error) error {
	var errno unix.Errno
	switch {
	case !errors.As(err, &errno):
		return err
	case errno == unix.EOPNOTSUPP, errno == unix.EPROTONOSUPPORT, errno == unix.EAFNOSUPPORT, errno == unix.ENOENT:
		return fmt.Errorf("%w (%w)", ErrNoFirewall, errno)
	case errno == unix.EPERM:
		return fmt.Errorf("nftables: %w (it takes root or CAP_NET_ADMIN)", errno)
	}
	return fmt.Errorf("nftables: %w", errno)
}

// ruleset builds a table.
type ruleset struct {
	conn  *nftables.Conn
	table *nftables.Table
	chain *nftables.Chain // that rules are added to
	sets  uint32
	err   error
}

// build adds the rules, the first that fits decides.
func (t *ruleset) build(c *GuardConfig, inside []string, lan []netip.Prefix) {
	names := t.buildNames(c)
	accept := nftables.ChainPolicyAccept
	t.chain = t.conn.AddChain(&nftables.Chain{
		Name: "postrouting", Table: t.table, Type: nftables.ChainTypeFilter,
		Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityFilter, Policy: &accept,
	})
	for _, name := range slices.Concat([]string{"lo", c.Interface}, inside) {
		if name != "" {
			t.rule(leavesBy(name), pass)
		}
	}
	for _, g := range c.Gateways {
		to := toAddress(g.Addr())
		t.rule(to, protocol(unix.IPPROTO_ESP), pass)
		for _, port := range slices.Compact([]uint16{4500, 500, g.Port()}) {
			t.rule(to, protocol(unix.IPPROTO_UDP), toPort(port), pass)
		}
	}
	t.rule(family(unix.NFPROTO_IPV4), protocol(unix.IPPROTO_UDP), fromPort(68), toPort(67), pass)   // DHCP
	t.rule(family(unix.NFPROTO_IPV6), protocol(unix.IPPROTO_UDP), fromPort(546), toPort(547), pass) // DHCPv6
	for _, kind := range []byte{130, 131, 132, 133, 135, 136, 143} {                                // listeners (RFC 2710, 3810), neighbours (RFC 4861)
		t.rule(family(unix.NFPROTO_IPV6), protocol(unix.IPPROTO_ICMPV6), transport(0, []byte{kind}), pass)
	}
	if c.all() && len(c.DNS) > 0 {
		t.rulesFor(intersect(c.DNS, c.Exclude), pass)
		for _, p := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
			t.rule(protocol(p), toPort(53), drop)
			t.rule(protocol(p), toPort(853), drop)
		}
	}
	if names != nil {
		for _, p := range []byte{unix.IPPROTO_UDP, unix.IPPROTO_TCP} {
			t.rule(protocol(p), toPort(53), jump(names.Name))
		}
	}
	t.rulesFor(c.Exclude, pass)
	if c.LocalLAN {
		t.rulesFor(slices.Concat(lan, linkScope), pass)
	}
	if c.all() {
		t.rule(drop)
		return
	}
	t.rulesFor(slices.Concat(c.Protect, hosts(c.DNS)), drop)
}

// linkScope is what reaches this link's hosts alone: link-local addresses, multicast and broadcast.
var linkScope = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("224.0.0.0/24"), netip.MustParsePrefix("ff02::/16"), netip.MustParsePrefix("255.255.255.255/32"),
}

// hosts are addresses as networks of one.
func hosts(as []netip.Addr) (out []netip.Prefix) {
	for _, a := range as {
		out = append(out, netip.PrefixFrom(a, a.BitLen()))
	}
	return out
}

// intersect are those of the addresses that are in one of the networks.
func intersect(as []netip.Addr, nets []netip.Prefix) []netip.Prefix {
	return slices.DeleteFunc(hosts(as), func(h netip.Prefix) bool {
		return !slices.ContainsFunc(nets, func(p netip.Prefix) bool { return p.Contains(h.Addr()) })
	})
}

// rule adds a rule of these parts. Each drop counts.
func (t *ruleset) rule(parts ...[]expr.Any) {
	t.conn.AddRule(&nftables.Rule{Table: t.table, Chain: t.chain, Exprs: slices.Concat(parts...)})
}

// rulesFor adds a rule for packets to these networks, one a family.
func (t *ruleset) rulesFor(nets []netip.Prefix, verdict []expr.Any) {
	nets = join(nets)
	six := slices.IndexFunc(nets, func(p netip.Prefix) bool { return p.Addr().Is6() })
	if six < 0 {
		six = len(nets)
	}
	t.ruleForSet(nets[:six], unix.NFPROTO_IPV4, nftables.TypeIPAddr, verdict)
	t.ruleForSet(nets[six:], unix.NFPROTO_IPV6, nftables.TypeIP6Addr, verdict)
}

// setChunk is how many networks go in a message, whose length is limited to 64 kB.
const setChunk = 256

func (t *ruleset) ruleForSet(nets []netip.Prefix, proto byte, kind nftables.SetDatatype, verdict []expr.Any) {
	if len(nets) == 0 {
		return
	}
	t.sets++
	set := &nftables.Set{Table: t.table, ID: t.sets, Name: fmt.Sprintf("networks%d", t.sets), KeyType: kind, Interval: true}
	t.err = errors.Join(t.err, t.conn.AddSet(set, nil))
	for chunk := range slices.Chunk(nets, setChunk) {
		var elements []nftables.SetElement
		for _, p := range chunk {
			elements = append(elements, nftables.SetElement{Key: p.Addr().AsSlice()})
			if end := after(p); end.IsValid() {
				elements = append(elements, nftables.SetElement{Key: end.AsSlice(), IntervalEnd: true})
			}
		}
		t.err = errors.Join(t.err, t.conn.SetAddElements(set, elements))
	}
	t.rule(family(proto), destination(proto), []expr.Any{&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID}}, verdict)
}

// after is the first address behind a network; invalid: there is none.
func after(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return last.Next()
}
