// Package tun is the data plane: it moves inner packets between a TUN device
// and the gateway, sealed by package esp.
//
//	            Carrier (a UDP socket, the one reader of it)
//	              |  IKE  -> callback
//	device  <->  Tunnel  <->  ESP
//
// A Carrier tells IKE, ESP and keepalives apart (RFC 3948, section 2). A Tunnel
// holds the pairs of ESP associations: packets read from the device go out
// through the newest pair whose selectors they match, packets from the gateway
// are opened by the pair their SPI names, and reach the device only if they lie
// within that pair's selectors (RFC 4301, section 5).
//
// What doesn't fit the path is fragmented before it is sealed, or refused as a
// router does it (RFC 1191, 8201). PathMTU knows what fits: from routers' reports,
// from large TCP segments that vanish (OnBlackHole), from pings (Echo).
//
// On Linux the path is made of batches from end to end, and its length is what the
// kernel has at that moment: nothing waits for a batch to fill. A read of the device is
// a superpacket (TSO, USO), which is cut into packets, each where it is sealed; or small
// packets until there are none. They are sealed together, and sent as a train of which
// the kernel cuts the datagrams (UDP_SEGMENT). Back a train that the kernel has joined
// (UDP_GRO) is opened where it arrived, and what follows one another in a flow is
// written as a superpacket, out of the buffer it arrived in. No packet is copied but by
// the kernel and when it is cut, and none costs an allocation. What a kernel refuses is
// given up: checksums and cutting by the device, superpackets of UDP, trains; then
// packets go one by one, through the same code.
//
//	device_linux.go, link_linux.go     the TUN device; its MTU and the length of superpackets
//	vnet_linux.go, join_linux.go       superpackets are cut, and made
//	socket_linux.go, socket_*_linux.go the UDP socket and that of IP protocol 50
//	descriptor_linux.go                how both wait, and how Close ends that
//	outbound.go, inbound.go            the pumps
package tun
