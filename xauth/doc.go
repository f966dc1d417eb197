// Package xauth is what is said in Transaction exchanges (ike.SA.Transact and
// ike.Config.Transaction): a person's log-in, and what a gateway assigns to a
// client. Both roles.
//
//	client.go     the client's side of a login: requests answered, its end awaited
//	question.go   a REQUEST read, made into a prompt.Prompt, and answered
//	codes.go      one-time codes that the client makes (package otp has the formulas)
//	server.go     the gateway's side: rounds of questions, then the STATUS
//	ask.go        what a gateway may ask: passwords, codes, new PINs
//	vendor.go     how makes of gateways differ
//	modecfg.go    Mode Config: pull and push, from both sides
//	assigned.go   what a gateway assigns, read from attributes
//	answer.go     … and written to them
//	unity.go      the attributes of Cisco Unity
//	name.go       domain names that may reach a resolver's file
//	error.go      why there is no login
//
// Sources: draft-beaulieu-ike-xauth-02 (October 2001), all four types (section
// 6.3) in any number of rounds; draft-dukes-ike-mode-cfg-02 (September 2001).
// Cisco Unity has no specification: it is written as vpnc, racoon and strongSwan
// read it.
//
// XAuth runs after phase 1 and before all but informational exchanges:
//
//	 Client                           Gateway
//	--------                         ---------
//	                            <--   HDR*, HASH, ATTR(REQUEST: what it wants to know)
//	 HDR*, HASH, ATTR(REPLY)    -->
//	                            …     as often as the gateway likes
//	                            <--   HDR*, HASH, ATTR(SET: XAUTH-STATUS)
//	 HDR*, HASH, ATTR(ACK)      -->
//
// The identifier is the same in all of these messages; each pair has a message
// ID of its own. Mode Config follows, led by either end:
//
//	     HDR*, HASH, ATTR(REQUEST)  -->
//	                                <--   HDR*, HASH, ATTR(REPLY)
//	or
//	                                <--   HDR*, HASH, ATTR(SET)
//	     HDR*, HASH, ATTR(ACK)      -->
//
// Where each type has its answer:
//
//	generic      whatever was asked for: a password, a passcode, a new PIN, an answer
//	RADIUS-CHAP  XAUTH-USER-PASSWORD is identifier | MD5(identifier | password | challenge)
//	OTP, S/KEY   XAUTH-USER-PASSWORD or XAUTH-PASSCODE is the response to the
//	             challenge, six words; without a challenge, a code
//
// Not implemented: DHCP addresses.
//
// Everything that a gateway says is cleaned before it goes further: text by
// package prompt, names, addresses and networks by what they must look like.
package xauth
