// Package stamp is what the VPN 5000 concentrator and its client say to each
// other beside IKE, in both roles: RADIUS right after the first packet, SecurID
// between the phases, and a policy on the last two packets.
//
// Cisco documented what is exchanged, and never published the octets. Comments
// say which is which: "Documented" is Cisco's, "Chosen here" is ours. Nothing
// here claims to understand the hardware; whoever has a capture corrects the
// numbers in numbers.go.
//
//	numbers.go         all numbers and limits that are chosen here
//	vendor.go          how either end announces that it speaks this
//	body.go            what the three payloads have in common
//	radius.go          the RADIUS payload, its MAC and its hidden password
//	radius_client.go   answering the RADIUS step
//	radius_server.go   leading it
//	securid.go         the SECURID payload
//	securid_client.go  answering the SecurID dialogue
//	securid_server.go  leading it
//	stamp.go           policy and receipt
//	client.go, server.go, error.go
//
// A connection that uses all of it, in Main Mode:
//
//	 Client                                Concentrator
//	--------                              --------------
//	 HDR, SA, VID                    -->
//	                                 <--  HDR, RADIUS(request), VID
//	 HDR, RADIUS(response)           -->
//	                                 <--  HDR, RADIUS(result)
//	                                 <--  HDR, SA, VID
//	 …                                    the rest of phase 1
//	 HDR*, HASH(1), SA, Ni           -->
//	                                 <--  HDR*, HASH(1), SECURID(request)
//	 HDR*, HASH(1), SECURID(response) -->
//	                                 <--  HDR*, HASH(1), SECURID(result)
//	                                 <--  HDR*, HASH(2), SA, Nr, STAMP(policy)
//	 HDR*, HASH(3), STAMP(receipt)   -->
//
// To a peer that doesn't announce itself nothing of this is sent.
//
// Not implemented: STAMP alone, by which clients older than 3.0 set the tunnel up
// without IKE.
package stamp
