// Package isakmp reads and writes the octets of ISAKMP, version 1 (RFC 2408),
// as IKE (RFC 2409), the IPsec DOI (RFC 2407), NAT traversal (RFC 3947), Mode
// Config, XAuth and IKE fragmentation use it. It knows no keys, no time and no
// peers; the meaning of what it reads is package ike's business.
//
//	numbers.go    every protocol number, each block headed by its source
//	values.go     types for the values of attributes
//	names.go      how the numbers are spelled
//	header.go     the ISAKMP header                    RFC 2408, section 3.1
//	message.go    the chain of payloads                RFC 2408, section 3.2
//	sa.go         SA, proposal and transform           RFC 2408, sections 3.4 to 3.6
//	attribute.go  data attributes                      RFC 2408, section 3.3
//	id.go         identification                       RFC 2407, section 4.6.2
//	notify.go     notification and delete              RFC 2408, sections 3.14 and 3.15
//	config.go     Mode Config and XAuth                draft-dukes-ike-mode-cfg-02
//	fragment.go   a piece of a message                 Cisco and Microsoft, no RFC
//	cert.go       certificate and certificate request  RFC 2408, sections 3.9 and 3.10
//	notation.go   a message in the RFC's notation      RFC 2409, section 3.2
//
// # Ownership
//
// A parsed value aliases the octets it was parsed from: nothing is copied, so
// the caller must leave them alone as long as the value is used. Marshal and
// Append return octets of the caller's own. All functions may be called
// concurrently; a value belongs to one goroutine at a time.
//
// # Limits
//
// Chosen here: a message has at most 64 KiB and 32 payloads, an SA at most 64
// transforms, a payload at most 1024 attributes or SPIs. No input makes a
// parser allocate more than 64 KiB.
//
// # Strictness
//
// Lengths and counts must be right. Not RFC: RESERVED fields are ignored, as
// later protocols want it (RFC 7296, section 2.5), where RFC 2408, section 5,
// wants them verified; marshalling writes zeros.
//
// Marshalling checks nothing: what the fields of the wire can't hold, such as an
// SPI of 256 octets, makes octets that no parser accepts.
//
// # Errors
//
// An error names the payload and the octet where reading failed. Octets are
// counted from 0 at the first octet of the innermost thing named, the generic
// header included, as the diagrams of RFC 2408 draw it.
package isakmp
