package pki

import (
	"errors"
	"fmt"

	"github.com/smallstep/pkcs7"
)

// Encodings of a CERT payload that are read (RFC 2408, section 3.9).
const (
	encodingPKCS7   = 1
	encodingX509    = 4 // signature
	encodingX509Key = 5 // key exchange
	encodingCRL     = 7
)

// How much of a peer is read, in octets. PKCS #7 may be BER, which takes time with the
// square of its size when it is nested for mischief. Chosen here.
const (
	maxPayloadOctets = 64 << 10
	maxPKCS7Octets   = 16 << 10
)

// AddPayload adds what one CERT payload carries: the octet that says how it is
// encoded, and what follows that. Encodings that aren't known here are passed
// over. The payloads of one peer make one Bundle.
func (b *Bundle) AddPayload(encoding uint8, data []byte) (err error) {
	if len(data) > maxPayloadOctets || encoding == encodingPKCS7 && len(data) > maxPKCS7Octets {
		return fmt.Errorf("a certificate payload of %d octets", len(data))
	}
	switch encoding {
	case encodingX509, encodingX509Key:
		err = b.addCertificate(data)
	case encodingPKCS7:
		err = b.addPKCS7(data)
	case encodingCRL:
		err = b.addRevocations(data)
	}
	if err == nil && len(b.Certificates)+len(b.Revocations) > maxCertificates {
		err = fmt.Errorf("more than %d certificates", maxCertificates)
	}
	return err
}

// addPKCS7 adds the certificates around signed data, which is mostly nothing.
func (b *Bundle) addPKCS7(der []byte) error {
	p, err := pkcs7.Parse(der)
	if err != nil {
		return fmt.Errorf("PKCS #7 can't be read: %w", err)
	}
	if len(p.Certificates) == 0 {
		return errors.New("PKCS #7 without certificates")
	}
	for _, c := range p.Certificates {
		if err := b.addCertificate(c.Raw); err != nil {
			return err
		}
	}
	return nil
}
