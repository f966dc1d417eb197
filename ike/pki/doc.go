// Package pki judges certificates, and reads them, private keys and revocation
// lists from octets that somebody else has read from a file, a token or the wire.
// It opens no file and no connection: no URL that stands in a certificate is ever
// followed.
//
//	verify.go      Verifier: whom to trust, and for what
//	chain.go       a small verifier for what crypto/x509 refuses by now
//	signature.go   signatures on certificates, the strength of keys
//	constraint.go  name constraints                      RFC 5280, section 4.2.1.10
//	usage.go       key usage, extended key usage         RFC 4945, section 5.1.3
//	revocation.go  revocation lists                      RFC 5280, section 5
//	name.go dn.go  what a certificate calls its owner    RFC 4945, section 3.1
//	pin.go         fingerprints
//	bundle.go      PEM, DER, PKCS #12
//	pbes2.go       encrypted private keys                RFC 8018, section 6.2
//	payload.go     what a CERT payload carries           RFC 2408, section 3.9
//	error.go       what is wrong with whose certificate
//
// Not implemented: OCSP, delta and indirect revocation lists, constraints on
// distinguished names (a certificate in which they are critical is refused), policies.
package pki
