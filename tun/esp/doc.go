// Package esp protects and opens packets of the IP Encapsulating Security
// Payload in tunnel mode (RFC 4303): plain functions over octets, with no
// goroutine, no socket and no clock.
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+---------------------------------------------------------------+ ----
//	|              Security Parameters Index (SPI)                  | ^
//	+---------------------------------------------------------------+ | covered
//	|                      Sequence Number                          | | by the
//	+---------------------------------------------------------------+ | ICV
//	|       IV (0, 8 or 16 octets, as the cipher says)              | |
//	+---------------------------------------------------------------+ | ----
//	|       inner packet                                            | | ^
//	+               +-----------------------------------------------+ | | en-
//	|               |     Padding 1, 2, 3, ... (0-255 octets)       | | | crypted
//	+---------------+-------------------------------+---------------+ | |
//	|                               |  Pad Length   | Next Header   | v v
//	+-------------------------------+---------------+---------------+ ----
//	|       Integrity Check Value (12 to 32 octets)                 |
//	+---------------------------------------------------------------+
//
// [Outbound] seals and [Inbound] opens; each holds one direction of one
// security association and is used by one goroutine at a time. Two values
// share nothing, so different ones need no lock between them. Neither
// allocates for a packet, as long as the destination has room. Seal and Open
// take one packet and are made of the standard library alone; SealBatch and
// OpenBatch take many and do the same, several times as fast.
//
//	suite.go     which algorithms there are: names, key lengths, sizes
//	transform.go the ciphers and MACs themselves  RFC 2405, 2451, 3602, 4106, 2403, 2404, 4868
//	seal.go      outbound processing              RFC 4303, section 3.3
//	open.go      inbound processing               RFC 4303, section 3.4
//	batch.go     both for many packets at once, by the kernels of package lanes
//	replay.go    the anti-replay window           RFC 4303, section 3.4.3, and RFC 6479
//	iv.go        initialization vectors           RFC 3602, section 3, and RFC 4106, section 3.1
//
// Not implemented: extended sequence numbers, which IKEv1 has to negotiate
// separately, transport mode, and encryption without integrity.
package esp
