package isakmp

import (
	"encoding/binary"
	"fmt"
)

// Configuration is the body of an attribute payload, which carries Mode Config
// and XAuth. draft-dukes-ike-mode-cfg-02, section 3.2
//
//	octet  0       type
//	octet  1       RESERVED
//	octets 2 to 3  identifier, the same in a request and its answer
//	octets 4…      attributes
type Configuration struct {
	Type       CfgType
	Identifier uint16
	Attributes []Attribute
}

// ParseConfiguration reads the body of an attribute payload.
func ParseConfiguration(body []byte) (Configuration, error) {
	if len(body) < 4 {
		return Configuration{}, fmt.Errorf("ATTR payload: %d octets, 4 needed", len(body))
	}
	c := Configuration{Type: CfgType(body[0]), Identifier: binary.BigEndian.Uint16(body[2:])}
	var err error
	if c.Attributes, err = parseAttributes(body[4:], genericLen+4, MaxAttributes); err != nil {
		return Configuration{}, fmt.Errorf("ATTR payload: %w", err)
	}
	return c, nil
}

// Marshal returns the body of the attribute payload.
func (c Configuration) Marshal() []byte {
	b := []byte{byte(c.Type), 0}
	b = binary.BigEndian.AppendUint16(b, c.Identifier)
	return AppendAttributes(b, c.Attributes)
}
