// Package radius asks RADIUS servers who somebody is (RFC 2865) and tells them how
// long they stayed (RFC 2866). It is the one place, with package radiusserver, that
// knows layeh.com/radius, whose codec it uses; sending, repeating and judging of
// answers are its own.
//
//	client.go         Client, and which server is asked
//	request.go        what is asked: PAP, CHAP, State
//	answer.go         what comes back: Accept, Reject, Challenge
//	exchange.go       one request to one server: repeats, and answers that don't count
//	authenticator.go  Message-Authenticator (RFC 2869, section 5.14; RFC 3579, section 3.2)
//	cache.go          the same request again gets the same answer
//	vendor.go         the VPN 5000's attributes
//	accounting.go     start, interim update, stop
//	error.go          why there is no answer
package radius
