// Package concentrator is a whole VPN gateway for many clients at once: users and
// groups, extended authentication, address pools, pushed networks, ESP. It is made
// of the responder halves that packages ike, xauth and stamp have beside the initiators'
// ones, and of one tun.Tunnel for all clients.
//
//	gateway.go   New, Serve, Close: sockets, device, one goroutine a peer
//	client.go    one phase 1 SA: login, Mode Config, and waiting for its end
//	session.go   a user's connection: address, SAs, children; who replaces whom
//	child.go     Quick Mode answered, children installed, replaced and removed
//	login.go     whose key phase 1 was made with, passwords, limits on guessing
//	vpn5000.go   RADIUS before phase 1, SecurID and policy of package stamp
//	certificates.go  who we are and who clients are, by certificates
//	pool.go      inner addresses
//	sockets.go   ports 500 and 4500, IP protocol 50, or one port for everything
//	page.go      what stands behind a gateway with an IP stack of its own
//	impair.go    misbehaving on purpose; impairments.go has the ways
//	device.go    a TUN device of the system
//	config.go    what a configuration says
//	ini.go parse.go keys.go proposal.go  the configuration file; example.conf shows all of it
//
// # Who owns what
//
// A client belongs to a goroutine of its own, which is a straight-line function
// from its first message to goodbye. Sessions, children and addresses are guarded
// by Gateway.mu, which nobody holds while waiting for a peer or an SA. The tunnel's
// pumps read a child's atomic fields only.
//
// A session outlives its SAs: a user who connects again, or whose client makes a
// new phase 1, keeps the inner address; children move to the newest SA when theirs
// ends, and are removed with the last one.
package concentrator
