// Package radiusserver is a small RADIUS server (RFC 2865, RFC 2866) for trying
// things out: it knows users with passwords, with further questions, and with tokens
// that make one-time codes as SecurID's do. It answers a repeated request with the
// same octets, so that a repetition never uses up a code, and signs its answers with
// a Message-Authenticator.
//
//	server.go  the socket, repeated requests, authenticity
//	login.go   passwords and questions
//	token.go   passcodes, the next tokencode, new PINs
//	hotp.go    one-time codes (RFC 4226)
package radiusserver
