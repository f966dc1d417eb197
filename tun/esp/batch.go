package esp

// Offset is where an inner packet lies in the buffers of SealBatch: behind
// header and IV.
func (o *Outbound) Offset() int { return o.body() }

// SealBatch seals inner packets in place, in order. packets[i] holds one from
// Offset() on, and has capacity for its Overhead, or it is moved to an array of
// its own; it becomes the whole ESP packet. What is before the inner packet is
// overwritten. The next header follows from the inner packet's version; an
// empty one becomes a dummy packet.
//
// It returns how many were sealed: fewer than all only with ErrExhausted.
func (o *Outbound) SealBatch(packets [][]byte) (int, error) {
	for i, p := range packets {
		inner := p[o.Offset():]
		sealed, err := o.Seal(p[:0], inner, nextHeader(inner))
		if err != nil {
			return i, err
		}
		packets[i] = sealed
	}
	return len(packets), nil
}

// nextHeader tells what an inner packet is.
func nextHeader(inner []byte) uint8 {
	switch {
	case len(inner) == 0:
		return NextNone
	case inner[0]>>4 == 6:
		return NextIPv6
	default:
		return NextIPv4
	}
}

// Opened is what became of one packet of OpenBatch: what Open returns.
type Opened struct {
	Inner []byte
	Next  uint8
	Err   error
}

// OpenBatch verifies and decrypts packets in place, each as Open does, in order;
// opened[i] says what became of packets[i], and is as long as packets at least.
// Of two with one sequence number the first that is authentic wins, the other is
// refused with ErrReplay.
func (in *Inbound) OpenBatch(packets [][]byte, opened []Opened) {
	for i, p := range packets {
		o := &opened[i]
		o.Inner, o.Next, o.Err = in.Open(p)
	}
}
