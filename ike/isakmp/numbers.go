package isakmp

// PayloadType is the Next Payload field: what the next payload is.
type PayloadType uint8

// RFC 2408, section 3.1
const (
	PayloadNone      PayloadType = 0
	PayloadSA        PayloadType = 1
	PayloadProposal  PayloadType = 2 // inside an SA only
	PayloadTransform PayloadType = 3 // inside a proposal only
	PayloadKE        PayloadType = 4
	PayloadID        PayloadType = 5
	PayloadCert      PayloadType = 6
	PayloadCertReq   PayloadType = 7
	PayloadHash      PayloadType = 8
	PayloadSig       PayloadType = 9
	PayloadNonce     PayloadType = 10
	PayloadNotify    PayloadType = 11
	PayloadDelete    PayloadType = 12
	PayloadVendorID  PayloadType = 13
)

// draft-dukes-ike-mode-cfg-02, section 3.2: the attribute payload
const PayloadConfiguration PayloadType = 14

// No RFC: NAT-D as old Cisco gateways number it, for a draft after
// draft-ietf-ipsec-nat-t-ike-03
const PayloadNATDCisco PayloadType = 15

// RFC 3947, sections 3.2 and 5.2
const (
	PayloadNATD  PayloadType = 20
	PayloadNATOA PayloadType = 21
)

// draft-ietf-ipsec-nat-t-ike-02, sections 3.2 and 5.2; the same in drafts 00 to 03
const (
	PayloadNATDDraft  PayloadType = 130
	PayloadNATOADraft PayloadType = 131
)

// No RFC: IKE fragmentation of Cisco and Microsoft (MS-IKEE, section 2.2.3.1)
const PayloadFragment PayloadType = 132

// ExchangeType says which exchange a message belongs to.
type ExchangeType uint8

// RFC 2408, section 3.1, under the names that RFC 2409, section 5, gives them
const (
	ExchangeBase          ExchangeType = 1
	ExchangeMain          ExchangeType = 2 // Identity Protection
	ExchangeAuthOnly      ExchangeType = 3
	ExchangeAggressive    ExchangeType = 4
	ExchangeInformational ExchangeType = 5
)

// draft-dukes-ike-mode-cfg-02, section 3.1
const ExchangeTransaction ExchangeType = 6

// RFC 2409, appendix A
const (
	ExchangeQuick    ExchangeType = 32
	ExchangeNewGroup ExchangeType = 33
)

// Flags is the Flags field of the ISAKMP header.
type Flags uint8

// RFC 2408, section 3.1
const (
	FlagEncryption Flags = 1 << 0 // everything behind the header is encrypted
	FlagCommit     Flags = 1 << 1 // wait for CONNECTED before using the SA
	FlagAuthOnly   Flags = 1 << 2 // authenticated, not encrypted
)

// Version is the version octet of every message: major 1, minor 0.
// RFC 2408, section 3.1
const Version = 0x10

// RFC 2408, section 3.4 and RFC 2407, section 4.2
const (
	DOIISAKMP = 0 // generic: a phase 1 SA for any protocol
	DOIIPsec  = 1
)

// Situations: which of an SA's labels follow. RFC 2407, section 4.2
const (
	SituationIdentityOnly = 0x01
	SituationSecrecy      = 0x02
	SituationIntegrity    = 0x04
)

// ProtocolID says what a proposal, notification or delete is about.
type ProtocolID uint8

// RFC 2407, section 4.4.1
const (
	ProtoISAKMP ProtocolID = 1
	ProtoAH     ProtocolID = 2
	ProtoESP    ProtocolID = 3
	ProtoIPCOMP ProtocolID = 4
)

// KeyIKE is the one transform ID of PROTO_ISAKMP. RFC 2407, section 4.4.2
const KeyIKE = 1

// Attributes of a phase 1 transform. RFC 2409, appendix A
const (
	AttrEncryption   = 1
	AttrHash         = 2
	AttrAuthMethod   = 3
	AttrGroup        = 4
	AttrGroupType    = 5
	AttrGroupPrime   = 6 // or irreducible polynomial
	AttrGenerator1   = 7
	AttrGenerator2   = 8
	AttrCurveA       = 9
	AttrCurveB       = 10
	AttrLifeType     = 11
	AttrLifeDuration = 12 // in units of the life type before it
	AttrPRF          = 13
	AttrKeyLength    = 14 // in bits; ciphers of variable key length only
	AttrFieldSize    = 15
	AttrGroupOrder   = 16
)

// AttrNortel is a phase 1 attribute of unknown meaning.
// No RFC: seen from Nortel gateways
const AttrNortel = 32767

// Values of AttrEncryption. RFC 2409, appendix A; AES: RFC 3602, section 5.1;
// Camellia: RFC 4312
const (
	CipherDES      = 1 // DES-CBC, 64-bit key with 56 bits of it in use
	CipherIDEA     = 2
	CipherBlowfish = 3
	CipherRC5      = 4
	Cipher3DES     = 5 // 3DES-CBC with three keys
	CipherCAST     = 6
	CipherAES      = 7 // AES-CBC; 128 bits when no key length is given
	CipherCamellia = 8
)

// Values of AttrHash; the prf is its HMAC. RFC 2409, appendix A;
// SHA-2: RFC 4868 and the IANA ipsec-registry
const (
	HashMD5    = 1
	HashSHA1   = 2
	HashTiger  = 3
	HashSHA256 = 4
	HashSHA384 = 5
	HashSHA512 = 6
)

// Values of AttrAuthMethod. RFC 2409, appendix A; 6 to 8: IANA ipsec-registry;
// 9 to 11: RFC 4754
const (
	AuthPSK                  = 1
	AuthDSS                  = 2
	AuthRSA                  = 3 // signatures
	AuthRSAEncryption        = 4
	AuthRSARevisedEncryption = 5
	AuthElGamal              = 6
	AuthElGamalRevised       = 7
	AuthECDSA                = 8
	AuthECDSA256             = 9  // P-256 with SHA-256
	AuthECDSA384             = 10 // P-384 with SHA-384
	AuthECDSA521             = 11 // P-521 with SHA-512
)

// Values of AttrAuthMethod: the gateway signs, the client is then known by
// XAuth only. draft-ietf-ipsec-isakmp-hybrid-auth-05, section 3.2.1
const (
	AuthHybridInitRSA = 64221
	AuthHybridRespRSA = 64222
	AuthHybridInitDSS = 64223
	AuthHybridRespDSS = 64224
)

// Values of AttrAuthMethod: both sides are authenticated in phase 1, then the
// initiator (Init) or the responder (Resp) by XAuth.
// draft-beaulieu-ike-xauth-02, section 7.2
const (
	AuthXAuthInitPSK                  = 65001
	AuthXAuthRespPSK                  = 65002
	AuthXAuthInitDSS                  = 65003
	AuthXAuthRespDSS                  = 65004
	AuthXAuthInitRSA                  = 65005
	AuthXAuthRespRSA                  = 65006
	AuthXAuthInitRSAEncryption        = 65007
	AuthXAuthRespRSAEncryption        = 65008
	AuthXAuthInitRSARevisedEncryption = 65009
	AuthXAuthRespRSARevisedEncryption = 65010
)

// Values of AttrGroup and ESPAttrGroup. 1 to 4: RFC 2409, section 6;
// 5 and 14 to 18: RFC 3526; 19 to 21: RFC 5903; 22 to 26: RFC 5114;
// 27 to 30: RFC 6932; 31: RFC 8031 (IKEv2, but strongSwan speaks it in IKEv1)
const (
	GroupMODP768         = 1
	GroupMODP1024        = 2
	GroupEC2N155         = 3 // an elliptic curve over GF[2^155]
	GroupEC2N185         = 4
	GroupMODP1536        = 5
	GroupMODP2048        = 14
	GroupMODP3072        = 15
	GroupMODP4096        = 16
	GroupMODP6144        = 17
	GroupMODP8192        = 18
	GroupECP256          = 19
	GroupECP384          = 20
	GroupECP521          = 21
	GroupMODP1024S160    = 22 // with a subgroup of prime order, 160 bits
	GroupMODP2048S224    = 23
	GroupMODP2048S256    = 24
	GroupECP192          = 25
	GroupECP224          = 26
	GroupBrainpoolP224r1 = 27
	GroupBrainpoolP256r1 = 28
	GroupBrainpoolP384r1 = 29
	GroupBrainpoolP512r1 = 30
	GroupCurve25519      = 31
)

// Values of AttrGroupType. RFC 2409, appendix A
const (
	GroupTypeMODP = 1
	GroupTypeECP  = 2
	GroupTypeEC2N = 3
)

// Values of AttrLifeType and ESPAttrLifeType. RFC 2409, appendix A and
// RFC 2407, section 4.5
const (
	LifeSeconds   = 1
	LifeKilobytes = 2
)

// Transform IDs of PROTO_IPSEC_AH. RFC 2407, section 4.4.3;
// SHA-2: IANA ipsec-registry
const (
	AHMD5    = 2
	AHSHA1   = 3
	AHDES    = 4
	AHSHA256 = 5
	AHSHA384 = 6
	AHSHA512 = 7
)

// Transform IDs of PROTO_IPSEC_ESP. RFC 2407, section 4.4.4; AES-CBC:
// RFC 3602, section 5.2; AES-CTR: RFC 3686; AES-CCM: RFC 4309; AES-GCM: RFC 4106;
// the digits behind CCM and GCM are octets of ICV
const (
	ESPDESIV64  = 1
	ESPDES      = 2
	ESP3DES     = 3
	ESPRC5      = 4
	ESPIDEA     = 5
	ESPCAST     = 6
	ESPBlowfish = 7
	ESP3IDEA    = 8
	ESPDESIV32  = 9
	ESPRC4      = 10
	ESPNull     = 11
	ESPAES      = 12 // AES-CBC
	ESPAESCTR   = 13
	ESPAESCCM8  = 14
	ESPAESCCM12 = 15
	ESPAESCCM16 = 16
	ESPAESGCM8  = 18
	ESPAESGCM12 = 19
	ESPAESGCM16 = 20
	ESPSEED     = 21
	ESPCamellia = 22
	ESPNullGMAC = 23
)

// Transform IDs of PROTO_IPCOMP. RFC 2407, section 4.4.5; LZJH: RFC 3051
const (
	IPCOMPOUI     = 1
	IPCOMPDeflate = 2
	IPCOMPLZS     = 3
	IPCOMPLZJH    = 4
)

// Attributes of a phase 2 transform. RFC 2407, section 4.5; ECN: RFC 3168,
// section 9.2.1.2; extended sequence numbers: RFC 4304
const (
	ESPAttrLifeType        = 1
	ESPAttrLifeDuration    = 2
	ESPAttrGroup           = 3
	ESPAttrEncapsulation   = 4
	ESPAttrAuth            = 5
	ESPAttrKeyLength       = 6 // in bits
	ESPAttrKeyRounds       = 7
	ESPAttrCompressDict    = 8
	ESPAttrCompressPrivate = 9
	ESPAttrECN             = 10
	ESPAttrESN             = 11
)

// Values of ESPAttrEncapsulation. RFC 2407, section 4.5; UDP: RFC 3947,
// section 5.1; UDPDraft: draft-ietf-ipsec-nat-t-ike-00, section 4.1, the same
// up to draft 03; Check Point's: no RFC
const (
	EncapTunnel            = 1
	EncapTransport         = 2
	EncapUDPTunnel         = 3
	EncapUDPTransport      = 4
	EncapCheckPointUDP     = 61440
	EncapUDPTunnelDraft    = 61443
	EncapUDPTransportDraft = 61444
)

// Values of ESPAttrAuth. RFC 2407, section 4.5; SHA-2: RFC 4868, section 4;
// AES-XCBC: RFC 3566; GMAC: RFC 4543
const (
	AuthHMACMD5    = 1
	AuthHMACSHA1   = 2
	AuthDESMAC     = 3
	AuthKPDK       = 4
	AuthHMACSHA256 = 5
	AuthHMACSHA384 = 6
	AuthHMACSHA512 = 7
	AuthRIPEMD     = 8
	AuthAESXCBC    = 9
	AuthSigRSA     = 10
	AuthAES128GMAC = 11
	AuthAES192GMAC = 12
	AuthAES256GMAC = 13
)

// IDType says how to read an identification payload.
type IDType uint8

// RFC 2407, section 4.6.2.1
const (
	IDIPv4Addr   IDType = 1
	IDFQDN       IDType = 2
	IDUserFQDN   IDType = 3
	IDIPv4Subnet IDType = 4 // address and mask
	IDIPv6Addr   IDType = 5
	IDIPv6Subnet IDType = 6
	IDIPv4Range  IDType = 7 // first and last address
	IDIPv6Range  IDType = 8
	IDDERASN1DN  IDType = 9
	IDDERASN1GN  IDType = 10
	IDKeyID      IDType = 11
)

// CertEncoding says what a certificate payload holds.
type CertEncoding uint8

// RFC 2408, section 3.9
const (
	CertPKCS7           CertEncoding = 1
	CertPGP             CertEncoding = 2
	CertDNSSignedKey    CertEncoding = 3
	CertX509Signature   CertEncoding = 4
	CertX509KeyExchange CertEncoding = 5
	CertKerberos        CertEncoding = 6
	CertCRL             CertEncoding = 7
	CertARL             CertEncoding = 8
	CertSPKI            CertEncoding = 9
	CertX509Attribute   CertEncoding = 10
)

// NotifyType is what a notification says: an error below 16384, else a status.
type NotifyType uint16

// RFC 2408, section 3.14.1: errors
const (
	NotifyInvalidPayloadType      NotifyType = 1
	NotifyDOINotSupported         NotifyType = 2
	NotifySituationNotSupported   NotifyType = 3
	NotifyInvalidCookie           NotifyType = 4
	NotifyInvalidMajorVersion     NotifyType = 5
	NotifyInvalidMinorVersion     NotifyType = 6
	NotifyInvalidExchangeType     NotifyType = 7
	NotifyInvalidFlags            NotifyType = 8
	NotifyInvalidMessageID        NotifyType = 9
	NotifyInvalidProtocolID       NotifyType = 10
	NotifyInvalidSPI              NotifyType = 11
	NotifyInvalidTransformID      NotifyType = 12
	NotifyAttributesNotSupported  NotifyType = 13
	NotifyNoProposalChosen        NotifyType = 14
	NotifyBadProposalSyntax       NotifyType = 15
	NotifyPayloadMalformed        NotifyType = 16
	NotifyInvalidKeyInformation   NotifyType = 17
	NotifyInvalidIDInformation    NotifyType = 18
	NotifyInvalidCertEncoding     NotifyType = 19
	NotifyInvalidCertificate      NotifyType = 20
	NotifyCertTypeUnsupported     NotifyType = 21
	NotifyInvalidCertAuthority    NotifyType = 22
	NotifyInvalidHashInformation  NotifyType = 23
	NotifyAuthenticationFailed    NotifyType = 24
	NotifyInvalidSignature        NotifyType = 25
	NotifyAddressNotification     NotifyType = 26
	NotifySALifetime              NotifyType = 27
	NotifyCertificateUnavailable  NotifyType = 28
	NotifyUnsupportedExchangeType NotifyType = 29
	NotifyUnequalPayloadLengths   NotifyType = 30
	notifyFirstStatus             NotifyType = 16384
)

// RFC 2408, section 3.14.1: status
const NotifyConnected NotifyType = 16384 // answers the commit bit

// RFC 2407, section 4.6.3
const (
	NotifyResponderLifetime NotifyType = 24576
	NotifyReplayStatus      NotifyType = 24577
	NotifyInitialContact    NotifyType = 24578
)

// RFC 3706, section 5.3: data is a sequence number of 4 octets
const (
	NotifyRUThere    NotifyType = 36136
	NotifyRUThereAck NotifyType = 36137
)

// No RFC: Cisco. The names are vpnc's and racoon's
const (
	NotifyIOSKeepaliveRequest   NotifyType = 32768
	NotifyIOSKeepaliveAck       NotifyType = 32769
	NotifyUnityHeartbeat        NotifyType = 40500 // a person is typing slowly
	NotifyUnityLoadBalance      NotifyType = 40501 // data is an IPv4 address
	NotifyUnityPresharedKeyHash NotifyType = 40503 // HMAC(SKEYID, group password), hybrid only
)

// No RFC: other vendors
const (
	NotifyCheckPointText NotifyType = 9101 // text in clear
	NotifyJuniperPrivate NotifyType = 40001
)

// Reasons in a Cisco delete with reason. No RFC: Cisco
const (
	DeleteReasonError              = 1
	DeleteReasonUser               = 2 // or administrator
	DeleteReasonLifetime           = 3
	DeleteReasonNoError            = 4
	DeleteReasonShutdown           = 5
	DeleteReasonInFlames           = 6
	DeleteReasonMaxConnectTime     = 7
	DeleteReasonIdle               = 8
	DeleteReasonReboot             = 9
	DeleteReasonPhase2Mismatch     = 10
	DeleteReasonFirewallMismatch   = 11
	DeleteReasonCertificateExpired = 12
	DeleteReasonClientNotAllowed   = 13
	DeleteReasonFirewallServer     = 14
	DeleteReasonACLError           = 15
)

// CfgType is the type of an attribute payload.
type CfgType uint8

// draft-dukes-ike-mode-cfg-02, section 3.3
const (
	CfgRequest CfgType = 1
	CfgReply   CfgType = 2
	CfgSet     CfgType = 3
	CfgAck     CfgType = 4
)

// Attributes of Mode Config. draft-dukes-ike-mode-cfg-02, section 3.4
const (
	AttrInternalIP4Address    = 1
	AttrInternalIP4Netmask    = 2
	AttrInternalIP4DNS        = 3 // may repeat
	AttrInternalIP4NBNS       = 4 // may repeat
	AttrInternalAddressExpiry = 5 // seconds
	AttrInternalIP4DHCP       = 6
	AttrApplicationVersion    = 7
	AttrInternalIP6Address    = 8
	AttrInternalIP6Netmask    = 9
	AttrInternalIP6DNS        = 10
	AttrInternalIP6NBNS       = 11
	AttrInternalIP6DHCP       = 12
	AttrInternalIP4Subnet     = 13 // address and mask
	AttrSupportedAttributes   = 14 // a list of 16-bit attribute numbers
	AttrInternalIP6Subnet     = 15 // address and prefix length
)

// Attributes of Cisco Unity. No RFC: Cisco, as racoon, vpnc and strongSwan
// read them
const (
	AttrUnityBanner        = 28672
	AttrUnitySavePassword  = 28673 // TV, a boolean
	AttrUnityDefDomain     = 28674
	AttrUnitySplitDNS      = 28675 // names, separated by commas or blanks
	AttrUnitySplitInclude  = 28676 // entries of 14 octets
	AttrUnityNATTPort      = 28677 // TV, the port of Cisco's UDP encapsulation
	AttrUnityLocalLAN      = 28678 // split exclude, as SplitInclude
	AttrUnityPFS           = 28679 // TV, a group or a boolean
	AttrUnityFWType        = 28680
	AttrUnityBackupServers = 28681
	AttrUnityDDNSHostname  = 28682
	AttrUnityUnknown28683  = 28683 // seen from Apple clients
	AttrCiscoXAuthVendor   = 32136 // a Cisco extension seen in requests
	AttrCiscoUnknown21     = 21    // TV; vpnc echoes it
)

// Attributes of XAuth. draft-beaulieu-ike-xauth-02, section 6.2
const (
	AttrXAuthType         = 16520 // TV
	AttrXAuthUserName     = 16521
	AttrXAuthUserPassword = 16522
	AttrXAuthPasscode     = 16523
	AttrXAuthMessage      = 16524
	AttrXAuthChallenge    = 16525
	AttrXAuthDomain       = 16526
	AttrXAuthStatus       = 16527 // TV
	AttrXAuthNextPIN      = 16528
	AttrXAuthAnswer       = 16529
)

// Values of AttrXAuthType; 32768 and above are private.
// draft-beaulieu-ike-xauth-02, section 6.3
const (
	XAuthGeneric    = 0
	XAuthRadiusCHAP = 1
	XAuthOTP        = 2
	XAuthSKey       = 3
)

// Values of AttrXAuthStatus. draft-beaulieu-ike-xauth-02, section 6.2
const (
	XAuthFail = 0
	XAuthOK   = 1
)

// XAuth under Check Point's numbers. 13 to 15 clash with Mode Config and mean
// this only where type 13 comes first. No RFC: Check Point, as racoon reads it
const (
	AttrCheckPointXAuthType      = 13
	AttrCheckPointXAuthUserName  = 14
	AttrCheckPointXAuthPassword  = 15
	AttrCheckPointXAuthPasscode  = 16
	AttrCheckPointXAuthMessage   = 17
	AttrCheckPointXAuthChallenge = 18
	AttrCheckPointXAuthDomain    = 19
	AttrCheckPointXAuthStatus    = 20
)

// Other attributes of Check Point. No RFC: Check Point
const (
	AttrCheckPointDefDomain  = 16387
	AttrCheckPointMACAddress = 16388
	AttrCheckPointReason     = 16389
	AttrCheckPointUnknown0   = 16400
	AttrCheckPointUnknown1   = 16401
	AttrCheckPointUnknown2   = 16402
)
