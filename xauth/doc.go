// Package xauth is what is said in Transaction exchanges (ike.SA.Transact and
// ike.Config.Transaction): a person's log-in, and what a gateway assigns to a
// client. Both roles.
//
//	client.go     the client's side of a login: requests answered, its end awaited
//	question.go   a REQUEST read, made into a prompt.Prompt, and answered
//	server.go     the gateway's side: rounds of questions, then the STATUS
//	modecfg.go    Mode Config: pull and push, from both sides
//	assigned.go   what a gateway assigns, read from attributes
//	answer.go     … and written to them
//	unity.go      the attributes of Cisco Unity
//	name.go       domain names that may reach a resolver's file
//	error.go      why there is no login
//
// Sources: draft-beaulieu-ike-xauth-02 (October 2001), generic authentication
// (section 6.3, type 0), any number of rounds; draft-dukes-ike-mode-cfg-02
// (September 2001). Cisco Unity has no specification: it is written as vpnc,
// racoon and strongSwan read it.
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
// Not implemented: RADIUS-CHAP, OTP and S/KEY (types 1 to 3), DHCP addresses.
//
// Everything that a gateway says is cleaned before it goes further: text by
// package prompt, names, addresses and networks by what they must look like.
package xauth
