// Package ike is the control plane of IKEv1, in both roles: it makes an ISAKMP
// SA with a peer, and under it pairs of ESP SAs, which leave as a Child each.
// It knows nothing of sockets, tunnels, users and the operating system.
//
//	dial and accept
//	  dial.go             Dial and Accept
//	  phase1.go           what both modes share
//	  main_mode.go        Main Mode                      RFC 2409, section 5.4
//	  aggressive_mode.go  Aggressive Mode                RFC 2409, section 5.4
//	  auth.go             the methods of authentication  RFC 2409, section 5
//	  auth_psk.go         pre-shared keys                RFC 2409, section 5.4
//	  auth_signature.go   signatures                     RFC 2409, section 5.1
//	  auth_rsa.go         RSA signatures
//	  auth_dss.go         DSS signatures, dss_key.go     FIPS 186-4
//	  auth_ecdsa.go       ECDSA signatures               RFC 4754
//	  auth_rsa_encryption.go  public key encryption, pkcs1.go  RFC 2409, section 5.2
//	  auth_rsa_revised.go its revised mode               RFC 2409, section 5.3
//	  auth_hybrid.go      only the gateway signs         draft-ietf-ipsec-isakmp-hybrid-auth-05
//	  certificate.go      CERT and CERTREQ               RFC 2408, sections 3.9 and 3.10
//	  prelude.go          what may be said before message 1 is answered
//	  natt.go             NAT traversal                  RFC 3947
//	  vendorid.go         vendor IDs                     RFC 2408, section 3.16
//	  config.go           what the caller decides
//	under an SA
//	  sa.go               SA: who gets which datagram
//	  quick_mode.go       Quick Mode                     RFC 2409, section 5.5
//	  child.go            what Quick Mode negotiates
//	  ride.go             what else its last messages carry
//	  transaction.go      Transaction exchange           draft-dukes-ike-mode-cfg-02
//	  informational.go    Informational exchange         RFC 2409, section 5.7
//	  dpd.go              dead peer detection            RFC 3706
//	one layer down
//	  exchange.go         one exchange of messages: repeats, duplicates, IV chain
//	  fragment.go         IKE fragmentation
//	  link.go             an SA's way to its peer
//	  router.go           many SAs on one socket
//	  message_id.go       message IDs
//	one layer aside
//	  skeyid.go           the key schedule               RFC 2409, section 5, appendix B
//	  hash.go             prf, HASH(1) to HASH(3)        RFC 2409, sections 5.5 and 5.7
//	  cipher.go           ciphers and IVs                RFC 2409, appendix B
//	  group.go, modp.go   Diffie-Hellman groups          RFC 2409, 3526, 5903, 8031
//	  proposal.go         phase 1 proposals              RFC 2409, section 5
//	  esp_proposal.go     ESP proposals                  RFC 2407, section 4.5
//	  random.go           cookies and nonces
//	  probe.go            what asks a gateway without making an SA
//	  alter.go            messages changed on purpose
//	  keylog.go, error.go
//
// # Reading
//
// A mode is one file, a role one straight function, a round trip one paragraph
// under the RFC's own line. The functions call an exchange, which sends, repeats
// and returns the first message that decrypts, parses and verifies. Only the
// clock, the caller or an authenticated message ends an exchange: whatever else
// arrives is a hint for the error at most.
//
// # Goroutines
//
// Dial and Accept read their Wire themselves. The SA they return has an owner
// goroutine, which reads the Wire from then on, and one more for each exchange.
// They end with the SA; Close and Abandon wait for them.
//
// # Not implemented
//
// New Group Mode, base mode, several SAs in one Quick Mode, AH, IPCOMP, transport
// mode.
package ike
