package ike

import (
	"crypto/sha256"
	"errors"
	"time"

	"postern/ike/isakmp"
)

// IKE fragmentation, which no RFC has (isakmp.Fragment): a message that wouldn't
// get through in one datagram goes in several, each a message of its own with one
// fragment payload under the header of the whole. Its pieces are of the whole as it
// would have been sent, header and encryption included, so that nobody but the
// link knows of them.

// Limits on a message in assembly: anybody who has seen the cookies can send
// fragments.
const (
	maxFragments    = 64
	maxAssembled    = 64 << 10
	assemblyTimeout = 30 * time.Second
)

// Sizes of datagrams. The overhead is what stands before a fragment's data in the
// larger of the IP versions: IP, UDP, the non-ESP marker, the ISAKMP header, and
// the fragment payload's two headers.
const (
	defaultFragmentSize = 1280
	minFragmentSize     = 256
	datagramOverhead    = 40 + 8 + 4
	fragmentOverhead    = datagramOverhead + isakmp.HeaderLen + 8
)

// fragmentSize is the largest IP packet that a message may make, 0 where there
// is no fragmentation.
func (c *Config) fragmentSize() int {
	switch {
	case c.FragmentSize < 0:
		return 0
	case c.FragmentSize == 0:
		return defaultFragmentSize
	}
	return max(c.FragmentSize, minFragmentSize)
}

// split is the datagrams that carry a message to the peer: itself, where it fits
// or the peer doesn't take fragments.
func (l *link) split(octets []byte) [][]byte {
	if l.fragmentSize == 0 || len(octets)+datagramOverhead <= l.fragmentSize {
		return [][]byte{octets}
	}
	h, err := isakmp.ParseHeader(octets)
	room := l.fragmentSize - fragmentOverhead
	if err != nil || len(octets) > maxFragments*room {
		return [][]byte{octets}
	}
	// Chosen here: the ID is a digest of the message, so that pieces of its repeats
	// complete each other.
	sum := sha256.Sum256(octets)
	id := uint16(sum[0])<<8 | uint16(sum[1]) | 1
	h.NextPayload, h.Flags = isakmp.PayloadFragment, 0
	var pieces [][]byte
	for len(octets) > 0 {
		n := min(room, len(octets))
		f := isakmp.Fragment{ID: id, Number: uint8(len(pieces) + 1), Last: n == len(octets), Data: octets[:n]}
		body := isakmp.AppendPayloads(nil, []isakmp.Payload{{Type: isakmp.PayloadFragment, Body: f.Marshal()}})
		h.Length = uint32(isakmp.HeaderLen + len(body))
		pieces = append(pieces, append(h.Append(nil), body...))
		octets = octets[n:]
	}
	return pieces
}

// assembly is the one message of an SA that is being put together. A piece of
// another ends it. Only the goroutine that reads the SA's wire uses it.
type assembly struct {
	header isakmp.Header // of every piece, but for what differs
	id     uint16
	since  time.Time
	have   uint64 // bit n-1: piece n is here
	last   int    // the number of the last piece, 0 while it isn't known
	size   int
	pieces [maxFragments][]byte
}

// errMore says that a datagram was a fragment, and that more of them are needed.
var errMore = errors.New("a fragment")

// whole returns the datagram itself if it isn't a fragment, and otherwise the
// message that it was the last missing piece of. Errors: errMore, or why the
// fragment, or what came of it, is thrown away.
func (l *link) whole(d Datagram) (Datagram, error) {
	h, err := isakmp.ParseHeader(d.Octets)
	if err != nil || h.NextPayload != isakmp.PayloadFragment {
		return d, nil // whoever reads it will see
	}
	if !l.assembles {
		return d, errors.New("a fragment, although we didn't announce that we take any")
	}
	if err := l.checkCookies(h); err != nil {
		return d, err
	}
	// The encryption flag says nothing here: some set it, some don't.
	m, err := isakmp.ParseMessage(h, d.Octets[isakmp.HeaderLen:h.Length])
	if err != nil {
		return d, err
	}
	if len(m.Payloads) != 1 {
		return d, errors.New("FRAG isn't the only payload")
	}
	f, err := isakmp.ParseFragment(m.Payloads[0].Body)
	if err != nil {
		return d, err
	}
	octets, err := l.assembly.add(h, f)
	return Datagram{octets, d.From}, err
}

// add takes a piece and returns the message if it is complete.
func (a *assembly) add(h isakmp.Header, f isakmp.Fragment) ([]byte, error) {
	h.Flags, h.Length = 0, 0
	if a.have == 0 || a.id != f.ID || a.header != h || time.Since(a.since) > assemblyTimeout {
		*a = assembly{header: h, id: f.ID, since: time.Now()}
	}
	n := int(f.Number)
	switch {
	case n > maxFragments, a.size+len(f.Data) > maxAssembled:
		*a = assembly{}
		return nil, errors.New("a fragment beyond what is put together")
	case a.have>>(n-1)&1 != 0, a.last != 0 && (n > a.last || f.Last), f.Last && a.have>>n != 0:
		return nil, errMore // it has come, or doesn't fit what has
	}
	a.have |= 1 << (n - 1)
	a.pieces[n-1] = append([]byte(nil), f.Data...)
	a.size += len(f.Data)
	if f.Last {
		a.last = n
	}
	if a.last == 0 || a.have != 1<<a.last-1 {
		return nil, errMore
	}
	whole := make([]byte, 0, a.size)
	for _, p := range a.pieces[:a.last] {
		whole = append(whole, p...)
	}
	*a = assembly{}
	return whole, checkWhole(h, whole)
}

// checkWhole holds the header of a message that was put together against those
// of its pieces: they may not smuggle in another.
func checkWhole(piece isakmp.Header, whole []byte) error {
	h, err := isakmp.ParseHeader(whole)
	switch {
	case err != nil:
		return err
	case h.NextPayload == isakmp.PayloadFragment:
		return errors.New("a fragment of fragments")
	case h.InitiatorCookie != piece.InitiatorCookie, h.ResponderCookie != piece.ResponderCookie,
		h.Exchange != piece.Exchange, h.MessageID != piece.MessageID:
		return errors.New("fragments of another message than they say")
	}
	return nil
}
