package isakmp

import "fmt"

// Values of transform attributes, so that one isn't taken for another.
type (
	Cipher        uint16 // AttrEncryption
	Hash          uint16 // AttrHash
	Group         uint16 // AttrGroup and ESPAttrGroup
	AuthMethod    uint16 // AttrAuthMethod
	ESPTransform  uint8  // transform ID of PROTO_IPSEC_ESP
	AuthAlgorithm uint16 // ESPAttrAuth
	Encapsulation uint16 // ESPAttrEncapsulation
)

// String spells the method as RFC 2409, appendix A, and the drafts do.
func (m AuthMethod) String() string {
	names := map[AuthMethod]string{
		AuthPSK: "pre-shared key", AuthDSS: "DSS signatures", AuthRSA: "RSA signatures",
		AuthRSAEncryption: "Encryption with RSA", AuthRSARevisedEncryption: "Revised encryption with RSA",
		AuthECDSA256: "ECDSA with SHA-256", AuthECDSA384: "ECDSA with SHA-384", AuthECDSA521: "ECDSA with SHA-512",
		AuthHybridInitRSA: "HybridInitRSA", AuthHybridRespRSA: "HybridRespRSA",
		AuthXAuthInitPSK: "XAUTHInitPreShared", AuthXAuthRespPSK: "XAUTHRespPreShared",
		AuthHybridInitDSS: "HybridInitDSS", AuthHybridRespDSS: "HybridRespDSS",
		AuthXAuthInitDSS: "XAUTHInitDSS", AuthXAuthRespDSS: "XAUTHRespDSS",
		AuthXAuthInitRSAEncryption: "XAUTHInitRSAEncryption", AuthXAuthRespRSAEncryption: "XAUTHRespRSAEncryption",
		AuthXAuthInitRSARevisedEncryption: "XAUTHInitRSARevisedEncryption", AuthXAuthRespRSARevisedEncryption: "XAUTHRespRSARevisedEncryption",
		AuthXAuthInitRSA: "XAUTHInitRSA", AuthXAuthRespRSA: "XAUTHRespRSA",
	}
	if s, ok := names[m]; ok {
		return s
	}
	return fmt.Sprintf("authentication method %d", uint16(m))
}
