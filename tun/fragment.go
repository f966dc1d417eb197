package tun

import (
	"encoding/binary"
	"slices"
)

const (
	flagMoreFragments = 0x2000 // RFC 791, section 3.1
	fragmentOffset    = 0x1fff // in units of 8 octets
	optionCopied      = 0x80   // the option goes into each fragment
	optionEnd         = 0
	optionNOP         = 1
)

// fragmentIPv4 cuts a packet without DF into fragments of at most mtu octets, each
// with headroom octets before it and room for tailroom behind it (RFC 791, section
// 3.2, "An Example Fragmentation Procedure"). The packet may be a fragment itself.
// nil: the MTU leaves no room for data, or it is no fragment of a packet.
func fragmentIPv4(packet []byte, mtu int) (buffers [][]byte) {
	headerLen := int(packet[0]&15) * 4
	first, data := packet[:headerLen], packet[headerLen:]
	later := laterHeader(first)
	field := binary.BigEndian.Uint16(packet[6:])
	offset, last := int(field&fragmentOffset), field&flagMoreFragments == 0
	for header := first; len(data) > 0; header = later {
		size := len(data)
		if len(header)+size > mtu {
			if size = (mtu - len(header)) &^ 7; size <= 0 {
				return nil
			}
		}
		if offset > fragmentOffset {
			return nil // of a packet that is longer than a packet can be
		}
		flags := field &^ fragmentOffset
		if size < len(data) || !last {
			flags |= flagMoreFragments
		}
		b := make([]byte, headroom, headroom+len(header)+size+tailroom)
		b = append(append(b, header...), data[:size]...)
		ip := b[headroom:]
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		binary.BigEndian.PutUint16(ip[6:], flags|uint16(offset))
		ip[10], ip[11] = 0, 0
		binary.BigEndian.PutUint16(ip[10:], checksum(ip[:len(header)]))
		buffers = append(buffers, b)
		data = data[size:]
		offset += size / 8
	}
	return buffers
}

// laterHeader is the header of all fragments but the first: with those options only
// that say so.
func laterHeader(first []byte) []byte {
	h := slices.Clone(first[:ipv4HeaderLen])
	for options := first[ipv4HeaderLen:]; len(options) > 0 && options[0] != optionEnd; {
		size := 1
		if options[0] != optionNOP {
			if len(options) < 2 || int(options[1]) < 2 || int(options[1]) > len(options) {
				break // no options that anybody can read
			}
			size = int(options[1])
		}
		if options[0]&optionCopied != 0 {
			h = append(h, options[:size]...)
		}
		options = options[size:]
	}
	for len(h)%4 != 0 {
		h = append(h, optionEnd)
	}
	h[0] = 4<<4 | byte(len(h)/4)
	return h
}
