package xauth_test

import (
	"context"
	"fmt"
	"time"

	"postern/client/prompt"
	"postern/ike"
	"postern/ike/isakmp"
	"postern/xauth"
	"postern/xauth/otp"
)

// phrase is a pass phrase of one-time passwords.
const phrase = canary + "-pass-phrase"

// dog2 is what a gateway expects next of alice.
var dog2 = otp.Challenge{Algorithm: otp.MD5, Sequence: 98, Seed: "dog2"}

// chap is a gateway that has passwords hidden.
func chap() func(context.Context, *ike.SA) error {
	return server(xauth.Server{Patience: time.Hour, First: func(*ike.SA) *xauth.Question {
		return xauth.AskCHAP(func(_ context.Context, user string, password, challenge []byte) error {
			if user != "alice" || !otp.VerifyCHAP(password, []byte(good), challenge) {
				return xauth.ErrRefused
			}
			return nil
		})
	}})
}

// oneTime is a gateway that wants the answer to a challenge.
func oneTime(c otp.Challenge) func(context.Context, *ike.SA) error {
	return server(xauth.Server{First: func(*ike.SA) *xauth.Question {
		return xauth.AskUser(func(_ context.Context, user string) error {
			return xauth.AskOTP(c, judgeOTP(c))
		})
	}})
}

func judgeOTP(c otp.Challenge) func(context.Context, []byte) error {
	return func(_ context.Context, response []byte) error {
		next := c
		next.Sequence++
		if _, ok := c.Verify(response, next.Key([]byte(phrase))); !ok {
			return xauth.ErrRefused
		}
		return nil
	}
}

func withPhrase(s string) func() *xauth.Codes {
	return func() *xauth.Codes { return xauth.NewOTP([]byte(s)) }
}

// typedDialogues are those of RADIUS-CHAP, OTP and S/KEY.
var typedDialogues = []dialogue{
	{name: "RADIUS-CHAP, accept", user: "alice", password: good, nobody: true, gateway: chap()},
	{
		name: "RADIUS-CHAP, wrong, then right", user: "alice", password: bad, gateway: chap(),
		steps: []step{{want: `"` + again + `" password`, answers: "password=" + good}},
	},
	{
		name: "RADIUS-CHAP, wrong, nobody to ask", user: "alice", password: bad, nobody: true, gateway: chap(),
		want: xauth.ErrRefused, message: again,
	},
	{
		name: "RADIUS-CHAP, cancelled", user: "alice", gateway: chap(),
		steps: []step{{want: `"" password`, err: prompt.ErrCancelled}}, want: prompt.ErrCancelled,
	},
	{
		name: "RADIUS-CHAP, too late", user: "alice", gateway: chap(),
		steps: []step{{want: `"" password`, takes: time.Hour}}, want: xauth.ErrUnanswered,
	},
	{
		name: "RADIUS-CHAP, then a passcode in the open", user: "alice", password: good,
		gateway: server(xauth.Server{First: func(*ike.SA) *xauth.Question {
			return xauth.AskCHAP(func(_ context.Context, user string, password, challenge []byte) error {
				return withCode("Token code?")(context.Background(), nil, user, []byte(good))
			})
		}}),
		steps: []step{{want: `"Token code?" passcode`, answers: "passcode=" + code}},
	},
	{
		name: "RADIUS-CHAP with too short a challenge", user: "alice", password: good, nobody: true,
		gateway: says(request(append(userAndPassword(), kind(isakmp.XAuthRadiusCHAP), challenge("1234"))...)),
		want:    xauth.ErrType, message: "challenge of 4 octets", wantGateway: errFailReply,
	},

	{
		name: "OTP, the person has a generator", user: "alice", password: good, gateway: oneTime(dog2),
		steps: []step{{want: `"Challenge: otp-md5 98 dog2" password`, answers: "password=hex:" + fmt.Sprintf("%x", dog2.Key([]byte(phrase)))}},
	},
	{name: "OTP, made here", user: "alice", password: good, codes: withPhrase(phrase), nobody: true, gateway: oneTime(dog2)},
	{
		name: "OTP with SHA-1, made here", user: "alice", codes: withPhrase(phrase), nobody: true,
		gateway: oneTime(otp.Challenge{Algorithm: otp.SHA1, Sequence: 1, Seed: "ke1234"}),
	},
	{
		name: "OTP, made of a phrase that is asked for", user: "alice", password: good, codes: withPhrase(""), gateway: oneTime(dog2),
		steps: []step{
			{want: `"Challenge: otp-md5 98 dog2" pass-phrase`, answers: "pass-phrase=" + bad},
			{want: `"Challenge: otp-md5 98 dog2" pass-phrase`, answers: "pass-phrase=" + phrase},
		},
	},
	{
		name: "OTP, wrong, and nobody has a better phrase", user: "alice", codes: withPhrase(bad), nobody: true, gateway: oneTime(dog2),
		want: xauth.ErrRefused, wantGateway: xauth.ErrRefused,
	},
	{
		name: "OTP is never answered with the password", user: "alice", password: good, nobody: true, gateway: oneTime(dog2),
		want: prompt.ErrNotInteractive, message: "one-time password",
	},
	{
		name: "OTP, cancelled", user: "alice", gateway: oneTime(dog2),
		steps: []step{{want: `"Challenge: otp-md5 98 dog2" password`, err: prompt.ErrCancelled}}, want: prompt.ErrCancelled,
	},
	{
		name: "OTP, a challenge with control characters", user: "alice",
		gateway: says(
			request(kind(isakmp.XAuthOTP), challenge("otp-md5 98 \x1b[2Jdog2\r\n\a"), message("Who\x00?"), wants(isakmp.AttrXAuthPasscode)),
			set(status(isakmp.XAuthOK)),
		),
		steps: []step{{want: `"Who?\nChallenge: otp-md5 98 [2Jdog2" passcode`, answers: "passcode=" + code}},
	},
	{
		name: "S/KEY, made here", user: "alice", codes: withPhrase(phrase), nobody: true,
		gateway: oneTime(otp.Challenge{Algorithm: otp.MD4, Sequence: 97, Seed: "ke1234"}),
	},
	{
		name: "S/KEY, the challenge without its name", user: "alice", codes: withPhrase(phrase), nobody: true,
		gateway: says(
			request(kind(isakmp.XAuthSKey), challenge("97 ke1234"), wants(isakmp.AttrXAuthUserName), wants(isakmp.AttrXAuthUserPassword)),
			set(status(isakmp.XAuthOK)),
		),
	},
	{
		name: "S/KEY, typed wrong", user: "alice", gateway: oneTime(otp.Challenge{Algorithm: otp.MD4, Sequence: 97, Seed: "ke1234"}),
		steps: []step{
			{want: `"Challenge: otp-md4 97 ke1234" password`, answers: "password=ROME"},
			{want: `"Challenge: otp-md4 97 ke1234" password`, answers: "password=" + bad},
		},
		want: xauth.ErrRefused, wantGateway: xauth.ErrRefused,
	},
	{
		name: "S/KEY through RADIUS: the challenge is in the message", user: "alice", password: good, codes: withPhrase(phrase), nobody: true,
		gateway: server(xauth.Server{Verify: func(ctx context.Context, sa *ike.SA, user string, password []byte) error {
			if err := verify("alice", good)(ctx, sa, user, password); err != nil {
				return err
			}
			return &xauth.Challenge{Message: "[s/key 97 ke1234] Response:", Verify: judgeOTP(otp.Challenge{Algorithm: otp.MD4, Sequence: 97, Seed: "ke1234"})}
		}}),
	},
}
