package person

import (
	"strings"

	"postern/client/profile"
	"postern/client/profile/formats"
)

// permit makes an imported profile one that administrators permit, as far as it
// can be: what is too weak is left out, what may not be kept forgotten.
func permit(in *formats.Imported) error {
	p := in.Profile
	err := profile.Permit(p)
	if dropped := p.Strengthen(); len(dropped) > 0 {
		in.Warnings = append(in.Warnings, formats.Note{Text: "Your administrator demands stronger algorithms; left out: " + strings.Join(dropped, ", ")})
		err = profile.Permit(p)
	}
	for key, s := range map[string]*profile.Secret{"password": &p.Password, "otp_secret": &p.OTPSecret, "key_passphrase": &p.KeyPassphrase} {
		if len(*s) > 0 && !p.MaySave(key) {
			s.Clear()
			*s = nil
			in.Warnings = append(in.Warnings, formats.Note{Key: key, Text: "isn't kept: your administrator wants it to be asked for"})
		}
	}
	return err
}
