package stamp

import "postern/ike/isakmp"

// Cisco documented what the VPN 5000 concentrator says to its client, and never
// the octets. Every number in this file is chosen here; whoever has a capture
// corrects them here and nowhere else.

// Chosen here: the private payloads (RFC 2408, section 3.1, leaves 128 to 255 to
// everybody; 130 to 132 are taken by drafts of NAT traversal and fragmentation).
const (
	PayloadRADIUS  isakmp.PayloadType = 200
	PayloadSecurID isakmp.PayloadType = 201
	PayloadSTAMP   isakmp.PayloadType = 202
)

// Chosen here: the vendor ID is the first 14 octets of the MD5 of this text, then
// a major and a minor version.
const (
	vendorText  = "postern VPN 5000 extensions"
	vendorMajor = 1
	vendorMinor = 0
)

// Chosen here: the version that each payload begins with.
const bodyVersion = 1

// Chosen here: kinds of RADIUS and SECURID payloads.
const (
	kindRequest  = 1 // the concentrator asks
	kindResponse = 2 // the client answers
	kindResult   = 3 // the concentrator has made up its mind
)

// Chosen here: kinds of STAMP payloads.
const (
	kindPolicy  = 1 // from the concentrator, in Quick Mode message 2
	kindReceipt = 2 // from the client, in Quick Mode message 3
)

// Chosen here: attributes of a RADIUS payload.
const (
	radiusMethod     = 1 // a Method
	radiusIdentifier = 2 // 0 to 255, of a request; its answer repeats it
	radiusChallenge  = 3 // 16 random octets
	radiusUser       = 4
	radiusPassword   = 5 // hidden, or the CHAP response
	radiusMessage    = 6 // to show
	radiusOutcome    = 7 // outcomeAccepted, outcomeRejected
	radiusMAC        = 8 // always the last
)

// Method is how a RADIUS password travels. Documented: the names, ChallengeType
// = PAP, CHAP or Challenge.
type Method uint16

// Chosen here: the numbers.
const (
	PAP       Method = 1
	CHAP      Method = 2
	Challenge Method = 3
)

func (m Method) String() string {
	switch m {
	case PAP:
		return "PAP"
	case CHAP:
		return "CHAP"
	case Challenge:
		return "Challenge"
	}
	return "an unknown method"
}

// Chosen here: outcomes, of RADIUS and SECURID.
const (
	outcomeAccepted = 1
	outcomeRejected = 2
)

// Chosen here: attributes of a SECURID payload.
const (
	securidTransaction  = 1 // 16 bits, one for the dialogue
	securidStep         = 2 // counts requests from 1
	securidAsk          = 3 // an Ask
	securidMessage      = 4
	securidUser         = 5
	securidPasscode     = 6
	securidNewPIN       = 7
	securidAnswer       = 8 // 1 yes, 0 no
	securidOutcome      = 9
	securidMinPIN       = 10
	securidMaxPIN       = 11
	securidAlphanumeric = 12 // 1: letters and digits; 0: digits only
)

// Ask is what a SECURID request wants to know.
type Ask uint16

// Chosen here: the numbers.
const (
	AskPasscode   Ask = 1
	AskNextCode   Ask = 2 // the tokencode that follows the one given
	AskNewPIN     Ask = 3 // a new PIN, chosen by the user
	AskAcceptPIN  Ask = 4 // a new PIN, given by the server: yes or no
	AskWhoChooses Ask = 5 // either of these two: yes, the user wants to choose; no, the server shall
)

func (a Ask) String() string {
	switch a {
	case AskPasscode:
		return "passcode"
	case AskNextCode:
		return "next tokencode"
	case AskNewPIN:
		return "new PIN"
	case AskAcceptPIN:
		return "PIN given by the server"
	case AskWhoChooses:
		return "who chooses the new PIN"
	}
	return "an unknown question"
}

// Chosen here: attributes of a policy.
const (
	policySaveSecrets  = 1  // 0 or 1
	policyNetwork      = 2  // repeated: address, mask
	policyIPX          = 3  // 0 or 1: tunnel IPX
	policyAddress      = 4  // assigned
	policyMask         = 5  // of the assigned address
	policyExcludeLAN   = 6  // 0 or 1
	policyKeepalive    = 7  // seconds
	policyInactivity   = 8  // seconds
	policyDNS          = 9  // repeated
	policySplitDNS     = 10 // repeated
	policyWINS         = 11 // repeated
	policyDomain       = 12
	policyBackup       = 13 // repeated
	policyBanner       = 14
	policyLeastVersion = 15
	policyDigest       = 16 // SHA-1 of the client's first phase 1 message
)

// Chosen here: attributes of a receipt.
const (
	receiptVersion  = 20
	receiptPlatform = 21
	receiptNetworks = 22 // how many were applied
	receiptNoIPX    = 23 // 1: IPX is refused
	receiptDigest   = 24 // SHA-1 of the concentrator's first phase 1 message
	receiptProof    = 30 // always the last
)

// Chosen here: the words that keys and proofs are made with.
const (
	labelMAC     = "mac"
	labelHide    = "hide"
	labelReceipt = "STAMP receipt"
)

// Chosen here: limits.
const (
	maxText      = 255  // octets
	maxBanner    = 4096 // octets
	maxPassword  = 128  // octets, hidden or not (RFC 2865, section 5.2)
	maxPasscode  = 64   // octets of a passcode, tokencode or PIN
	maxNetworks  = 512
	maxServers   = 16
	maxDomains   = 64
	maxBackups   = 16
	maxRounds    = 8 // requests in one RADIUS step, steps in one SecurID dialogue
	challengeLen = 16
	digestLen    = 20
	macLen       = 20
)
