package isakmp

import (
	"encoding/binary"
	"fmt"
	"strings"
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

// String returns type, identifier and the names of the attributes, as in
// "REQUEST 48193: XAUTH-USER-NAME, XAUTH-USER-PASSWORD". Values are left out,
// for there are passwords among them.
func (c Configuration) String() string {
	names := make([]string, len(c.Attributes))
	for i, a := range c.Attributes {
		names[i] = name(cfgAttributeNames, a.Type, "attribute")
	}
	if len(names) == 0 {
		names = []string{"nothing"}
	}
	return fmt.Sprintf("%s %d: %s", c.Type.short(), c.Identifier, strings.Join(names, ", "))
}

// short returns the type's name without ISAKMP_CFG_.
func (t CfgType) short() string { return strings.TrimPrefix(t.String(), "ISAKMP_CFG_") }
