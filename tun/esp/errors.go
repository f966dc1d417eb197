package esp

import "errors"

// What Open and Seal can say. They are returned as they are, never wrapped, so
// that a flood of bad packets costs no allocation.
var (
	// ErrExhausted: all 2^32-1 sequence numbers of this direction are used, and
	// no packet can be sent any more (RFC 4303, sections 2.2 and 3.3.3).
	ErrExhausted = errors.New("esp: sequence numbers exhausted")

	// ErrMalformed: the packet is too short for its suite, or its encrypted part
	// isn't a whole number of blocks.
	ErrMalformed = errors.New("esp: malformed packet")

	// ErrSPI: the packet belongs to another security association.
	ErrSPI = errors.New("esp: packet for another SPI")

	// ErrReplay: the sequence number is 0, was seen before, or is too old for the
	// window (RFC 4303, section 3.4.3).
	ErrReplay = errors.New("esp: replayed or too old sequence number")

	// ErrIntegrity: the ICV is wrong (RFC 4303, section 3.4.4).
	ErrIntegrity = errors.New("esp: wrong integrity check value")

	// ErrPadding: an authentic packet whose padding isn't 1, 2, 3, ... or is
	// longer than the packet (RFC 4303, section 2.4). The sender has a defect, or
	// the encryption keys differ though the integrity keys agree.
	ErrPadding = errors.New("esp: wrong padding")
)
