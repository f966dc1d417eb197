package isakmp

import (
	"fmt"
	"strings"
)

// String returns the payload's short name. RFC 2408, section 3.1
func (t PayloadType) String() string { return name(payloadNames, t, "payload") }

// String returns the name of the exchange. RFC 2409, section 5
func (t ExchangeType) String() string { return name(exchangeNames, t, "exchange") }

// String returns the name of the protocol. RFC 2407, section 4.4.1
func (p ProtocolID) String() string { return name(protocolNames, p, "protocol") }

// String returns the name of the notification. RFC 2408, section 3.14.1
func (t NotifyType) String() string { return name(notifyNames, t, "notify") }

// IsError says that the notification reports an error. RFC 2408, section 3.14.1
func (t NotifyType) IsError() bool { return t < notifyFirstStatus }

// String returns the name of the ID type. RFC 2407, section 4.6.2.1
func (t IDType) String() string { return name(idNames, t, "ID type") }

// String returns the name of the type.
// draft-dukes-ike-mode-cfg-02, section 3.3
func (t CfgType) String() string { return name(cfgNames, t, "ATTR type") }

// String returns the name of the encoding. RFC 2408, section 3.9
func (e CertEncoding) String() string { return name(certNames, e, "certificate encoding") }

// String returns the names of the bits set, "none" when there is none.
// RFC 2408, section 3.1
func (f Flags) String() string {
	var set []string
	for i, s := range []string{"encryption", "commit", "authentication only"} {
		if f&(1<<i) != 0 {
			set = append(set, s)
		}
	}
	if f >= 1<<3 {
		set = append(set, fmt.Sprintf("%#x", uint8(f&^7)))
	}
	if len(set) == 0 {
		return "none"
	}
	return strings.Join(set, ", ")
}

// name returns the name of v, or its kind and number when it has none.
func name[T ~uint8 | ~uint16](names map[T]string, v T, kind string) string {
	if s, ok := names[v]; ok {
		return s
	}
	return fmt.Sprintf("%s %d", kind, v)
}

var payloadNames = map[PayloadType]string{
	PayloadNone: "NONE", PayloadSA: "SA", PayloadProposal: "P", PayloadTransform: "T",
	PayloadKE: "KE", PayloadID: "ID", PayloadCert: "CERT", PayloadCertReq: "CR",
	PayloadHash: "HASH", PayloadSig: "SIG", PayloadNonce: "NONCE", PayloadNotify: "N",
	PayloadDelete: "D", PayloadVendorID: "VID", PayloadConfiguration: "ATTR",
	PayloadNATD: "NAT-D", PayloadNATOA: "NAT-OA",
	PayloadNATDDraft: "NAT-D", PayloadNATOADraft: "NAT-OA",
	PayloadFragment: "FRAG",
}

var exchangeNames = map[ExchangeType]string{
	ExchangeBase: "Base", ExchangeMain: "Main Mode", ExchangeAuthOnly: "Authentication Only",
	ExchangeAggressive: "Aggressive Mode", ExchangeInformational: "Informational",
	ExchangeTransaction: "Transaction", ExchangeQuick: "Quick Mode", ExchangeNewGroup: "New Group Mode",
}

var protocolNames = map[ProtocolID]string{
	ProtoISAKMP: "PROTO_ISAKMP", ProtoAH: "PROTO_IPSEC_AH", ProtoESP: "PROTO_IPSEC_ESP", ProtoIPCOMP: "PROTO_IPCOMP",
}

var idNames = map[IDType]string{
	IDIPv4Addr: "ID_IPV4_ADDR", IDFQDN: "ID_FQDN", IDUserFQDN: "ID_USER_FQDN",
	IDIPv4Subnet: "ID_IPV4_ADDR_SUBNET", IDIPv6Addr: "ID_IPV6_ADDR", IDIPv6Subnet: "ID_IPV6_ADDR_SUBNET",
	IDIPv4Range: "ID_IPV4_ADDR_RANGE", IDIPv6Range: "ID_IPV6_ADDR_RANGE",
	IDDERASN1DN: "ID_DER_ASN1_DN", IDDERASN1GN: "ID_DER_ASN1_GN", IDKeyID: "ID_KEY_ID",
}

var cfgNames = map[CfgType]string{
	CfgRequest: "ISAKMP_CFG_REQUEST", CfgReply: "ISAKMP_CFG_REPLY", CfgSet: "ISAKMP_CFG_SET", CfgAck: "ISAKMP_CFG_ACK",
}

var certNames = map[CertEncoding]string{
	CertPKCS7: "PKCS #7 wrapped X.509 certificate", CertPGP: "PGP Certificate", CertDNSSignedKey: "DNS Signed Key",
	CertX509Signature: "X.509 Certificate - Signature", CertX509KeyExchange: "X.509 Certificate - Key Exchange",
	CertKerberos: "Kerberos Tokens", CertCRL: "Certificate Revocation List (CRL)",
	CertARL: "Authority Revocation List (ARL)", CertSPKI: "SPKI Certificate", CertX509Attribute: "X.509 Certificate - Attribute",
}

var notifyNames = map[NotifyType]string{
	NotifyInvalidPayloadType:      "INVALID-PAYLOAD-TYPE",
	NotifyDOINotSupported:         "DOI-NOT-SUPPORTED",
	NotifySituationNotSupported:   "SITUATION-NOT-SUPPORTED",
	NotifyInvalidCookie:           "INVALID-COOKIE",
	NotifyInvalidMajorVersion:     "INVALID-MAJOR-VERSION",
	NotifyInvalidMinorVersion:     "INVALID-MINOR-VERSION",
	NotifyInvalidExchangeType:     "INVALID-EXCHANGE-TYPE",
	NotifyInvalidFlags:            "INVALID-FLAGS",
	NotifyInvalidMessageID:        "INVALID-MESSAGE-ID",
	NotifyInvalidProtocolID:       "INVALID-PROTOCOL-ID",
	NotifyInvalidSPI:              "INVALID-SPI",
	NotifyInvalidTransformID:      "INVALID-TRANSFORM-ID",
	NotifyAttributesNotSupported:  "ATTRIBUTES-NOT-SUPPORTED",
	NotifyNoProposalChosen:        "NO-PROPOSAL-CHOSEN",
	NotifyBadProposalSyntax:       "BAD-PROPOSAL-SYNTAX",
	NotifyPayloadMalformed:        "PAYLOAD-MALFORMED",
	NotifyInvalidKeyInformation:   "INVALID-KEY-INFORMATION",
	NotifyInvalidIDInformation:    "INVALID-ID-INFORMATION",
	NotifyInvalidCertEncoding:     "INVALID-CERT-ENCODING",
	NotifyInvalidCertificate:      "INVALID-CERTIFICATE",
	NotifyCertTypeUnsupported:     "CERT-TYPE-UNSUPPORTED",
	NotifyInvalidCertAuthority:    "INVALID-CERT-AUTHORITY",
	NotifyInvalidHashInformation:  "INVALID-HASH-INFORMATION",
	NotifyAuthenticationFailed:    "AUTHENTICATION-FAILED",
	NotifyInvalidSignature:        "INVALID-SIGNATURE",
	NotifyAddressNotification:     "ADDRESS-NOTIFICATION",
	NotifySALifetime:              "NOTIFY-SA-LIFETIME",
	NotifyCertificateUnavailable:  "CERTIFICATE-UNAVAILABLE",
	NotifyUnsupportedExchangeType: "UNSUPPORTED-EXCHANGE-TYPE",
	NotifyUnequalPayloadLengths:   "UNEQUAL-PAYLOAD-LENGTHS",
	NotifyConnected:               "CONNECTED",
	NotifyResponderLifetime:       "RESPONDER-LIFETIME",
	NotifyReplayStatus:            "REPLAY-STATUS",
	NotifyInitialContact:          "INITIAL-CONTACT",
	NotifyRUThere:                 "R-U-THERE",
	NotifyRUThereAck:              "R-U-THERE-ACK",
	NotifyIOSKeepaliveRequest:     "IOS-KEEP-ALIVE-REQ",
	NotifyIOSKeepaliveAck:         "IOS-KEEP-ALIVE-ACK",
	NotifyUnityHeartbeat:          "UNITY-HEARTBEAT",
	NotifyUnityLoadBalance:        "UNITY-LOAD-BALANCE",
	NotifyUnityPresharedKeyHash:   "UNITY-PRESHARED-KEY-HASH",
	NotifyCheckPointText:          "CHECK-POINT-TEXT",
	NotifyJuniperPrivate:          "JUNIPER-PRIVATE",
}

// The numbers that Check Point uses for XAuth are missing, for they mean
// something else to everybody else.
var cfgAttributeNames = map[uint16]string{
	AttrInternalIP4Address:    "INTERNAL_IP4_ADDRESS",
	AttrInternalIP4Netmask:    "INTERNAL_IP4_NETMASK",
	AttrInternalIP4DNS:        "INTERNAL_IP4_DNS",
	AttrInternalIP4NBNS:       "INTERNAL_IP4_NBNS",
	AttrInternalAddressExpiry: "INTERNAL_ADDRESS_EXPIRY",
	AttrInternalIP4DHCP:       "INTERNAL_IP4_DHCP",
	AttrApplicationVersion:    "APPLICATION_VERSION",
	AttrInternalIP6Address:    "INTERNAL_IP6_ADDRESS",
	AttrInternalIP6Netmask:    "INTERNAL_IP6_NETMASK",
	AttrInternalIP6DNS:        "INTERNAL_IP6_DNS",
	AttrInternalIP6NBNS:       "INTERNAL_IP6_NBNS",
	AttrInternalIP6DHCP:       "INTERNAL_IP6_DHCP",
	AttrInternalIP4Subnet:     "INTERNAL_IP4_SUBNET",
	AttrSupportedAttributes:   "SUPPORTED_ATTRIBUTES",
	AttrInternalIP6Subnet:     "INTERNAL_IP6_SUBNET",
	AttrXAuthType:             "XAUTH-TYPE",
	AttrXAuthUserName:         "XAUTH-USER-NAME",
	AttrXAuthUserPassword:     "XAUTH-USER-PASSWORD",
	AttrXAuthPasscode:         "XAUTH-PASSCODE",
	AttrXAuthMessage:          "XAUTH-MESSAGE",
	AttrXAuthChallenge:        "XAUTH-CHALLENGE",
	AttrXAuthDomain:           "XAUTH-DOMAIN",
	AttrXAuthStatus:           "XAUTH-STATUS",
	AttrXAuthNextPIN:          "XAUTH-NEXT-PIN",
	AttrXAuthAnswer:           "XAUTH-ANSWER",
	AttrUnityBanner:           "UNITY_BANNER",
	AttrUnitySavePassword:     "UNITY_SAVE_PASSWD",
	AttrUnityDefDomain:        "UNITY_DEF_DOMAIN",
	AttrUnitySplitDNS:         "UNITY_SPLIT_DNS",
	AttrUnitySplitInclude:     "UNITY_SPLIT_INCLUDE",
	AttrUnityNATTPort:         "UNITY_NATT_PORT",
	AttrUnityLocalLAN:         "UNITY_LOCAL_LAN",
	AttrUnityPFS:              "UNITY_PFS",
	AttrUnityFWType:           "UNITY_FW_TYPE",
	AttrUnityBackupServers:    "UNITY_BACKUP_SERVERS",
	AttrUnityDDNSHostname:     "UNITY_DDNS_HOSTNAME",
}
