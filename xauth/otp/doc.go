// Package otp is one-time codes and nothing but: made, and verified, without a
// clock or a network.
//
//	totp.go   codes of a seed and the time   RFC 6238, RFC 4226
//	otp.go    challenges and responses       RFC 2289, RFC 1760 (S/KEY)
//	words.go  responses as six words         RFC 2289, appendix D
//	chap.go   the password hidden            RFC 1994, RFC 2865
package otp
