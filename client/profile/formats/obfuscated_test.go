package formats

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestReveal(t *testing.T) {
	for _, c := range []struct{ name, blob, want, problem string }{
		{ // GabLeRoux/cisco-password-decoder-cli, test/test.js
			"a NUL behind the text", "A39CADD77ED72A9C75467D0F5A5C88BFCD75370DD63E3388D3F402AF50C4E5029071B0965C343B99B6D6636A8698562DDB2EE51020D87EA3",
			"HelloWorld", "",
		},
		{ // demosdemon/pcf_decrypt, tests/test_pcf_decrypt.py
			"punctuation", "D06615FC4D2046942A6F39951FC40794740E30C485090B4416C9D5A65DE59E5230A63D391F2A634820B574A37E16DB23820C89CD29DA2245",
			"Sh@r3dK3ySP*&%$", "",
		},
		{ // axcheron/cisco_pwdecrypt, README.md
			"from a README", "886E2FC74BFCD8B6FAF47784C386A50D0C1A5D0528D1E682B7EBAB6B2E91E792E389914767193F9114FA26C1E192034754F85FC97ED36509",
			"Th!sIsMyK3y#", "",
		},
		{
			"a whole block of padding", "101112131415161718191A1B1C1D1E1F2021222345048BD1B63C119D1306E9437B735A8D2585D15E34265A98DAFEFDEEF09382FB6A555E44",
			"12345678", "",
		},
		{"nothing", "101112131415161718191A1B1C1D1E1F20212223817F267A35EC0908FBEFD06FA39E75EF7F0A2F7EC76EC45D6AECF8B0", "", ""},
		{
			"H1 that ends with FF", "101112131415161718191A1B1C1D1E1F202122FF60508E42FDCF16EC28AD4DB8A23DA6EA5E87AF39521F5B636E9A4098CED8E1CDC3779DAC",
			"wrap-ff-secret", "",
		},
		{
			"Windows-1252", "101112131415161718191A1B1C1D1E1F2021222384336BA95930246C227CE16982BE9E55EC3CB79216350419F25ECCEE",
			"passéü", "",
		},
		{
			"blanks at the ends", "101112131415161718191A1B1C1D1E1F20212223BD2EC028312802F493981EACC9CA520046A27732FB4F93F0A1E9C4C43DE05055F57A0645",
			" two spaces ", "",
		},
		{
			"small letters", "d06615fc4d2046942a6f39951fc40794740e30c485090b4416c9d5a65de59e5230a63d391f2a634820b574a37e16db23820c89cd29da2245",
			"Sh@r3dK3ySP*&%$", "",
		},
		{
			"last octet changed", "D06615FC4D2046942A6F39951FC40794740E30C485090B4416C9D5A65DE59E5230A63D391F2A634820B574A37E16DB23820C89CD29DA2200",
			"", "SHA-1",
		},
		{
			"47 octets", "D06615FC4D2046942A6F39951FC40794740E30C485090B4416C9D5A65DE59E5230A63D391F2A634820B574A37E16DB",
			"", "length",
		},
		{
			"padding of 9", "101112131415161718191A1B1C1D1E1F20212223B5F83ED26977B40FF340506FCA0ADF8CC0D8B31A86AF6D9B60E29963",
			"", "padded",
		},
		{"an odd number of digits", "D06", "", "digits"},
		{"no digits", "swordfish!", "", "digits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := reveal(c.blob)
			if c.problem != "" {
				if err == nil || !strings.Contains(err.Error(), c.problem) || strings.Contains(err.Error(), c.blob) {
					t.Fatalf("%q, %v", got, err)
				}
				return
			}
			if err != nil || string(got) != c.want {
				t.Fatalf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestRevealObscured(t *testing.T) {
	for n := range 100 {
		secret := make([]byte, n)
		for i := range secret {
			secret[i] = byte(' ' + rand.IntN(95))
		}
		got, err := reveal(obscure(secret))
		if err != nil || !bytes.Equal(got, secret) {
			t.Fatalf("%q, %v, want %q", got, err, secret)
		}
	}
	if first, second := obscure([]byte("x")), obscure([]byte("x")); first == second {
		t.Error("two blobs of one secret are the same")
	}
}
