package client

import (
	"errors"

	"postern/ike"
	"postern/ike/isakmp"
	"postern/ike/pki"
)

// certificateError marks what went wrong in a phase 1 with certificates: no
// pre-shared key can be the reason.
type certificateError struct{ error }

func (e certificateError) Unwrap() error { return e.error }

func certified(err error) error {
	if err == nil {
		return nil
	}
	return certificateError{err}
}

// remedies say what to try where a gateway's certificate isn't accepted.
var remedies = map[pki.Problem]string{
	pki.Expired:     "Ask your administrator to renew it.",
	pki.NotYetValid: "Check this machine's clock.",
	pki.WrongName:   "If this is your gateway, set gateway_identity to one of the names in its certificate; otherwise don't connect.",
	pki.WrongUsage:  "Somebody with a user's certificate may be playing the gateway. Ask your administrator.",
	pki.Revoked:     "Don't connect, and tell your administrator.",
	pki.SelfSigned:  "If this is your gateway, set gateway_certificate, or gateway_pin to its fingerprint.",
	pki.Untrusted:   "If this is your gateway, add the authority to ca; otherwise don't connect.",
	pki.Weak:        "Ask your administrator for a stronger one. If there is none, allow_sha1 and min_rsa_bits in [certificates] decide what counts.",
	pki.Changed:     "If your administrator says that the gateway has a new one, correct gateway_pin or gateway_certificate, or remove the gateway's line from known_gateways; otherwise don't connect.",
	pki.Missing:     "Set gateway_certificate if you have it.",
}

// explainCertificate is about proofs of identity by certificates.
func explainCertificate(err error) *Reason {
	var bad *pki.Error
	if errors.As(err, &bad) {
		return &Reason{
			Code: "certificate_" + string(bad.Problem), Exit: ExitIdentity,
			Message: sentence("The gateway's certificate isn't accepted: " + bad.Error()), Try: remedies[bad.Problem],
		}
	}
	if !errors.As(err, new(certificateError)) {
		return nil
	}
	var notify *ike.NotifyError
	var late *ike.TimeoutError
	errors.As(err, &late)
	switch {
	case errors.Is(err, ike.ErrSignature):
		return &Reason{Code: "gateway_signature", Exit: ExitIdentity, Message: "The gateway's signature is wrong: it doesn't have the key of its certificate.", Try: "Somebody may be playing the gateway: don't connect, and ask your administrator."}
	case errors.As(err, &notify) && refusesUs[notify.Type] && (notify.Authenticated || late != nil && late.Message > 1):
		return &Reason{Code: "certificate_refused", Exit: ExitCredentials, Message: "The gateway answers " + notify.Type.String() + ": it doesn't accept your certificate, or not your identity.", Try: "Check certificate, key and identity with your administrator; the certificate may have expired or been revoked."}
	case late != nil && late.Message >= 5 && (notify == nil || errors.Is(err, ike.ErrAuthentication)):
		return &Reason{Code: "no_answer_certificate", Exit: ExitTimeout, Message: "The gateway stopped answering at the proof of identity: it may not accept your certificate, or not know your identity.", Try: "Check certificate, key and identity with your administrator. If they are right, something on the way may drop large packets."}
	case errors.Is(err, ike.ErrAuthentication):
		return &Reason{Code: "gateway_proof", Exit: ExitIdentity, Message: "The gateway's proof of identity is wrong: it doesn't have the key of its certificate.", Try: "Check gateway_certificate with your administrator."}
	}
	return nil
}

// refusesUs are the notifies by which a gateway refuses our certificate or signature.
var refusesUs = map[isakmp.NotifyType]bool{
	isakmp.NotifyInvalidKeyInformation: true, isakmp.NotifyInvalidCertEncoding: true, isakmp.NotifyInvalidCertificate: true,
	isakmp.NotifyCertTypeUnsupported: true, isakmp.NotifyInvalidCertAuthority: true, isakmp.NotifyAuthenticationFailed: true,
	isakmp.NotifyInvalidSignature: true, isakmp.NotifyInvalidIDInformation: true, isakmp.NotifyCertificateUnavailable: true,
}
