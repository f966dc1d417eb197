package isakmp

import "errors"

// Cert is the body of a certificate payload or, with the name of a certificate
// authority in Data, of a certificate request payload.
// RFC 2408, sections 3.9 and 3.10
//
//	octet  0   certificate encoding
//	octets 1…  certificate, or the authority's distinguished name, or nothing
type Cert struct {
	Encoding CertEncoding
	Data     []byte
}

// ParseCert reads the body of a certificate or certificate request payload.
func ParseCert(body []byte) (Cert, error) {
	if len(body) == 0 {
		return Cert{}, errors.New("CERT payload: empty")
	}
	return Cert{CertEncoding(body[0]), body[1:]}, nil
}

// Marshal returns the body of the payload.
func (c Cert) Marshal() []byte {
	return append([]byte{byte(c.Encoding)}, c.Data...)
}
