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
package tun
