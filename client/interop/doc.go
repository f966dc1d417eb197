// Package interop holds tests only: postern against real gateways, and real clients against the concentrator, in network
// namespaces on one machine.
//
//	lab_test.go         the namespaces and wires: client -- (NAT) -- gateway -- hosts
//	process_test.go     programs that run in a namespace, and their end
//	helper_test.go      the test program itself as a small tool inside a namespace: ping, TCP transfer
//	traffic_test.go     what must hold of every tunnel
//	strongswan_test.go  strongSwan as gateway and as client
//	vpnc_test.go        vpnc as client
//	freeradius_test.go  FreeRADIUS
//	certificates_test.go  an authority, and certificates of both ends; client and gateway with them
//	postern_test.go     our own programs
//	self_test.go        proves the laboratory without any program of ours
//	client_test.go      postern against strongSwan
//	gateway_test.go     vpnc and strongSwan against the concentrator
//	keylog_test.go      Wireshark with the keys that postern writes
//	eyes_test.go        Wireshark and ike-scan read what we send
//	record_test.go      golden flows: our engine with a real peer, recorded under known randomness
//	flow_test.go        golden flows: replayed without root, peer or network
//	radius_test.go      FreeRADIUS behind the concentrator and behind strongSwan
//
// All but the replay need Linux, root and the packages that packaging/test-deps names. Without them they skip, saying why; with
// POSTERN_REQUIRE_PEERS=1 in the environment they fail instead. POSTERN_BIN names the folder of the programs to test;
// without it they are built first.
package interop
