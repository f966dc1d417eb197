package isakmp

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Fragment is the body of a fragment payload: a piece of a whole message, the
// message's own ISAKMP header included. It stands alone in a message whose
// header repeats the whole message's, with NextPayload 132.
// No RFC: Cisco and Microsoft (MS-IKEE, section 2.2.3.1)
//
//	octets 0 to 1  fragment ID, the same in all pieces of a message
//	octet  2       number, from 1
//	octet  3       flags; bit 0: the last piece
//	octets 4…      data
//
// A fragment is never encrypted itself. The header's encryption flag says
// nothing here: racoon sets it, Cisco and Microsoft don't.
type Fragment struct {
	ID     uint16
	Number uint8
	Last   bool
	Data   []byte
}

// ParseFragment reads the body of a fragment payload.
func ParseFragment(body []byte) (Fragment, error) {
	if len(body) < 4 {
		return Fragment{}, fmt.Errorf("FRAG payload: %d octets, 4 needed", len(body))
	}
	if body[2] == 0 {
		return Fragment{}, errors.New("FRAG payload: number 0")
	}
	return Fragment{
		ID:     binary.BigEndian.Uint16(body),
		Number: body[2],
		Last:   body[3]&1 != 0,
		Data:   body[4:],
	}, nil
}

// Marshal returns the body of the fragment payload.
func (f Fragment) Marshal() []byte {
	b := binary.BigEndian.AppendUint16(nil, f.ID)
	b = append(b, f.Number, 0)
	if f.Last {
		b[3] = 1
	}
	return append(b, f.Data...)
}
