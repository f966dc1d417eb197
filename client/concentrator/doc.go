// Package concentrator is a whole VPN gateway for many clients at once: users and
// groups, extended authentication, an address pool, pushed networks, ESP. It is
// made of the responder halves that packages ike and xauth have beside the
// initiators' ones.
package concentrator
