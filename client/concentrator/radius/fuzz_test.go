package radius

import (
	"strings"
	"testing"

	codec "layeh.com/radius"
	"layeh.com/radius/rfc2865"
)

// FuzzAnswer reads answers of a RADIUS server that knows the secret.
func FuzzAnswer(f *testing.F) {
	for _, code := range []codec.Code{codec.CodeAccessAccept, codec.CodeAccessReject, codec.CodeAccessChallenge} {
		p := codec.New(code, []byte("secret"))
		p.Add(rfc2865.ReplyMessage_Type, []byte("Good\x1b[2Jmorning"))
		p.Add(rfc2865.State_Type, []byte("state"))
		p.Add(rfc2865.FramedIPAddress_Type, []byte{10, 0, 0, 1})
		p.Add(rfc2865.SessionTimeout_Type, []byte{0, 0, 14, 16})
		p.Add(rfc2865.VendorSpecific_Type, []byte{0, 0, 0, 255, 3, 7, 's', 't', 'a', 'f', 'f'})
		b, err := p.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := codec.Parse(b, []byte("secret"))
		if err != nil {
			return
		}
		text := ""
		switch a := answerOf(p, nil).(type) {
		case Accept:
			if text = a.Message; a.Limit < 0 || a.Interim < 0 {
				t.Errorf("%+v", a)
			}
		case Reject:
			text = a.Message
		case Challenge:
			text = a.Message
		}
		if len([]rune(text)) > maxMessage+1 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' }) {
			t.Errorf("the message is %q", text)
		}
	})
}
