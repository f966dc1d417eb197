package otp

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestResponse has the values of RFC 2289, appendix C.
func TestResponse(t *testing.T) {
	const test, abc, good = "This is a test.", "AbCdEfGhIjK", "OTP's are good"
	tests := []struct {
		challenge, passPhrase, hex, words string
	}{
		{"otp-md4 0 TeSt", test, "d1854218ebbb0b51", "ROME MUG FRED SCAN LIVE LACE"},
		{"otp-md4 1 TeSt", test, "63473ef01cd0b444", "CARD SAD MINI RYE COL KIN"},
		{"otp-md4 99 TeSt", test, "c5e612776e6c237a", "NOTE OUT IBIS SINK NAVE MODE"},
		{"otp-md4 0 alpha1", abc, "50076f47eb1ade4e", "AWAY SEN ROOK SALT LICE MAP"},
		{"otp-md4 1 alpha1", abc, "65d20d1949b5f7ab", "CHEW GRIM WU HANG BUCK SAID"},
		{"s/key 99 alpha1", abc, "d150c82cce6f62d1", "ROIL FREE COG HUNK WAIT COCA"},
		{"otp-md4 0 correct", good, "849c79d4f6f55388", "FOOL STEM DONE TOOL BECK NILE"},
		{"otp-md4 1 correct", good, "8c0992fb250847b1", "GIST AMOS MOOT AIDS FOOD SEEM"},
		{"[s/key 99 correct]", good, "3f3bf4b4145fd74b", "TAG SLOW NOV MIN WOOL KENO"},
		{"otp-md5 0 TeSt", test, "9e876134d90499dd", "INCH SEA ANNE LONG AHEM TOUR"},
		{"otp-md5 1 TeSt", test, "7965e05436f5029f", "EASE OIL FUM CURE AWRY AVIS"},
		{"otp-md5 99 TeSt", test, "50fe1962c4965880", "BAIL TUFT BITS GANG CHEF THY"},
		{"otp-md5 0 alpha1", abc, "87066dd9644bf206", "FULL PEW DOWN ONCE MORT ARC"},
		{"otp-md5 1 alpha1", abc, "7cd34c1040add14b", "FACT HOOF AT FIST SITE KENT"},
		{"otp-md5 99 alpha1", abc, "5aa37a81f212146c", "BODE HOP JAKE STOW JUT RAP"},
		{"otp-md5 0 correct", good, "f205753943de4cf9", "ULAN NEW ARMY FUSE SUIT EYED"},
		{"otp-md5 1 correct", good, "ddcdac956f234937", "SKIM CULT LOB SLAM POE HOWL"},
		{"Please answer:\notp-md5 99 correct ext,\nResponse?", good, "b203e28fa525be47", "LONG IVY JULY AJAR BOND LEE"},
		{"otp-sha1 0 TeSt", test, "bb9e6ae1979d8ff4", "MILT VARY MAST OK SEES WENT"},
		{"otp-sha1 1 TeSt", test, "63d936639734385b", "CART OTTO HIVE ODE VAT NUT"},
		{"otp-sha1 99 TeSt", test, "87fec7768b73ccf9", "GAFF WAIT SKID GIG SKY EYED"},
		{"otp-sha1 0 alpha1", abc, "ad85f658ebe383c9", "LEST OR HEEL SCOT ROB SUIT"},
		{"otp-sha1 1 alpha1", abc, "d07ce229b5cf119b", "RITE TAKE GELD COST TUNE RECK"},
		{"otp-sha1 99 alpha1", abc, "27bc71035aaf3dc6", "MAY STAR TIN LYON VEDA STAN"},
		{"otp-sha1 0 correct", good, "d51f3e99bf8e6f0b", "RUST WELT KICK FELL TAIL FRAU"},
		{"otp-sha1 1 correct", good, "82aeb52d943774e4", "FLIT DOSE ALSO MEW DRUM DEFY"},
		{"OTP-SHA1 99 correct", good, "4f296a74fe1567ec", "AURA ALOE HURL WING BERG WAIT"},
	}
	for _, tt := range tests {
		c, err := FindChallenge(tt.challenge)
		if err != nil {
			t.Errorf("%s: %v", tt.challenge, err)
			continue
		}
		k := c.Key([]byte(tt.passPhrase))
		if got := hex.EncodeToString(k[:]); got != tt.hex {
			t.Errorf("%s: %s, want %s", tt.challenge, got, tt.hex)
		}
		if got := string(c.Response([]byte(tt.passPhrase))); got != tt.words {
			t.Errorf("%s: %s, want %s", tt.challenge, got, tt.words)
		}
		for _, written := range []string{tt.words, strings.ToLower(tt.words), "word:" + tt.words, tt.hex, "hex: " + tt.hex[:4] + " " + tt.hex[4:]} {
			if got, err := ParseKey([]byte(written)); got != k || err != nil {
				t.Errorf("%s: %x, %v", written, got, err)
			}
		}
	}
}

// TestKeyAllocates: a challenge may ask for thousands of hashes, and costs little
// memory whatever it asks.
func TestKeyAllocates(t *testing.T) {
	for a := MD4; a <= SHA1; a++ {
		c := Challenge{a, maxSequence, "dog2"}
		if n := testing.AllocsPerRun(3, func() { c.Key([]byte("This is a test.")) }); n > 10 {
			t.Errorf("%v: %v allocations", a, n)
		}
	}
}

func TestFindChallenge(t *testing.T) {
	for _, bad := range []string{
		"", "otp-md5", "otp-md5 5", "otp-md5 x dog2", "otp-md5 5 dog-2", "otp-md5 10000 dog2", "otp-md5 -1 dog2",
		"otp-md5 5 12345678901234567", "otp-sha256 5 dog2", "5 dog2", "otp-md5 5 d\u00f6g",
	} {
		if c, err := FindChallenge(bad); err == nil {
			t.Errorf("%q: %v", bad, c)
		}
	}
	c, err := ParseSKey("97 KE1234")
	if want := (Challenge{MD4, 97, "ke1234"}); c != want || err != nil {
		t.Error(c, err)
	}
	if c, err := ParseSKey("s/key 97 ke1234"); c.String() != "otp-md4 97 ke1234" || err != nil {
		t.Error(c, err)
	}
}

func TestParseKey(t *testing.T) {
	tests := []struct {
		written string
		want    error
	}{
		{"", errKey},
		{"ROME MUG FRED SCAN LIVE", errKey},
		{"ROME MUG FRED SCAN LIVE LACE LACE", errKey},
		{"ROME MUG FRED SCAN LIVE XYZZY", errKey},
		{"ROME MUG FRED SCAN LIVE LADY", errChecksum},
		{"d1854218ebbb0b5", errKey},
		{"d1854218ebbb0b511", errKey},
		{"R0ME MUG FRED 5CAN 1IVE LACE", nil},
	}
	for _, tt := range tests {
		if _, err := ParseKey([]byte(tt.written)); err != tt.want {
			t.Errorf("%q: %v, want %v", tt.written, err, tt.want)
		}
	}
}

// TestVerifySequence: a password is good for one login, and the next for one.
func TestVerifySequence(t *testing.T) {
	phrase := []byte("This is a test.")
	last := Challenge{MD5, 100, "dog2"}.Key(phrase)
	ninetyNine, ninetyEight := Challenge{MD5, 99, "dog2"}, Challenge{MD5, 98, "dog2"}
	first := ninetyNine.Response(phrase)
	last, ok := ninetyNine.Verify(first, last)
	if !ok {
		t.Fatal("refused")
	}
	if _, ok := ninetyEight.Verify(first, last); ok {
		t.Error("a password was taken twice")
	}
	if _, ok := ninetyEight.Verify(ninetyEight.Response(phrase), last); !ok {
		t.Error("refused")
	}
}

func TestDictionary(t *testing.T) {
	words, numbers := dictionary()
	short := slices.IndexFunc(words, func(w string) bool { return len(w) == 4 })
	if len(words) != 2048 || len(numbers) != 2048 || short != 571 || !slices.IsSorted(words[:short]) || !slices.IsSorted(words[short:]) {
		t.Errorf("%d words, %d of them different, the first of four letters at %d", len(words), len(numbers), short)
	}
}

// TestTOTP has the values of RFC 6238, appendix B.
func TestTOTP(t *testing.T) {
	seed := func(n int) []byte { return bytes.Repeat([]byte("1234567890"), 7)[:n] }
	algorithms := []struct {
		new  func() hash.Hash
		seed []byte
	}{{sha1.New, seed(20)}, {sha256.New, seed(32)}, {sha512.New, seed(64)}}
	tests := []struct {
		at    int64
		codes [3]string
	}{
		{59, [3]string{"94287082", "46119246", "90693936"}},
		{1111111109, [3]string{"07081804", "68084774", "25091201"}},
		{1111111111, [3]string{"14050471", "67062674", "99943326"}},
		{1234567890, [3]string{"89005924", "91819424", "93441116"}},
		{2000000000, [3]string{"69279037", "90698825", "38618901"}},
		{20000000000, [3]string{"65353130", "77737706", "47863826"}},
	}
	for _, tt := range tests {
		for i, a := range algorithms {
			totp := TOTP{Seed: a.seed, Digits: 8, Period: 30 * time.Second, Hash: a.new}
			step := totp.Step(time.Unix(tt.at, 0))
			if got := string(totp.Code(step)); got != tt.codes[i] {
				t.Errorf("%d, algorithm %d: %s, want %s", tt.at, i, got, tt.codes[i])
			}
			if begin := totp.Begins(step).Unix(); begin > tt.at || begin+30 <= tt.at {
				t.Errorf("%d lies in a step that begins at %d", tt.at, begin)
			}
		}
	}
}

// TestHOTP has the values of RFC 4226, appendix D.
func TestHOTP(t *testing.T) {
	totp := TOTP{Seed: []byte("12345678901234567890"), Digits: 6, Period: time.Second, Hash: sha1.New}
	for i, want := range strings.Fields("755224 287082 359152 969429 338314 254676 287922 162583 399871 520489") {
		if got := string(totp.Code(uint64(i))); got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
	}
}

func TestVerifyTOTP(t *testing.T) {
	totp, err := ParseTOTP([]byte("GEZD GNBV-GY3TQOJQ gezdgnbvgy3tqojq"))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(3000, 0)
	for step, want := range map[uint64]bool{98: false, 99: true, 100: true, 101: true, 102: false} {
		if got, ok := totp.Verify(totp.Code(step), at, 1); ok != want || ok && got != step {
			t.Errorf("step %d: %d, %v", step, got, ok)
		}
	}
	if _, ok := totp.Verify(totp.Code(0), time.Unix(0, 0), 1); !ok {
		t.Error("step 0")
	}
	if s := fmt.Sprintf("%v %+v %#v %s", totp, totp, totp, totp.LogValue()); strings.Contains(s, "12345") || strings.Contains(s, "49, 50") {
		t.Error(s)
	}
}

func TestParseTOTP(t *testing.T) {
	const seed = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
	tests := []struct {
		written, problem string
		digits           int
		period           time.Duration
	}{
		{seed, "", 6, 30 * time.Second},
		{seed + "====\n", "", 6, 30 * time.Second},
		{"otpauth://totp/Acme:alice?secret=" + seed + "&issuer=Acme", "", 6, 30 * time.Second},
		{"otpauth://totp/x?secret=" + seed + "&digits=8&period=60&algorithm=sha256", "", 8, time.Minute},
		{"otpauth://hotp/x?secret=" + seed, "otpauth://totp/", 0, 0},
		{"otpauth://totp/x", "isn't a seed", 0, 0},
		{"otpauth://totp/%zz", "otpauth://totp/", 0, 0},
		{"otpauth://totp/x?digits=9&secret=" + seed, "digits", 0, 0},
		{"otpauth://totp/x?period=0&secret=" + seed, "period", 0, 0},
		{"otpauth://totp/x?algorithm=MD5&secret=" + seed, "algorithm", 0, 0},
		{"", "isn't a seed", 0, 0},
		{"018", "isn't a seed", 0, 0},
	}
	for _, tt := range tests {
		got, err := ParseTOTP([]byte(tt.written))
		if tt.problem != "" {
			if err == nil || !strings.Contains(err.Error(), tt.problem) || strings.Contains(err.Error(), seed) {
				t.Errorf("%q: %v", tt.written, err)
			}
			continue
		}
		if err != nil || got.Digits != tt.digits || got.Period != tt.period || string(got.Seed) != "12345678901234567890" {
			t.Errorf("%q: %d digits, %v, %v", tt.written, got.Digits, got.Period, err)
		}
	}
}

// TestCHAP has the values of RFC 2865, section 7.2, which are RFC 1994's function.
func TestCHAP(t *testing.T) {
	challenge, _ := hex.DecodeString("2aee86f08d0d55969ca5978e0d3367a2")
	got := CHAP(0x16, []byte("arctangent"), challenge)
	if want := "16e97557c316185895f293ff6344077275"; hex.EncodeToString(got) != want {
		t.Errorf("%x, want %s", got, want)
	}
	if !VerifyCHAP(got, []byte("arctangent"), challenge) {
		t.Error("refused")
	}
	got[16]++
	if VerifyCHAP(got, []byte("arctangent"), challenge) || VerifyCHAP(got[:16], []byte("arctangent"), challenge) || VerifyCHAP(nil, nil, nil) {
		t.Error("taken")
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add("ROME MUG FRED SCAN LIVE LACE")
	f.Add("hex:d185 4218 ebbb 0b51")
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseKey([]byte(s))
		if err != nil {
			return
		}
		if again, err := ParseKey(k.Words()); again != k || err != nil {
			t.Errorf("%q: %x, then %x, %v", s, k, again, err)
		}
	})
}

func FuzzFindChallenge(f *testing.F) {
	f.Add("Enter otp-md5 487 dog2 ext")
	f.Add("[s/key 97 ke1234]")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := FindChallenge(s)
		if err != nil {
			return
		}
		if again, err := FindChallenge(c.String()); again != c || err != nil {
			t.Errorf("%q: %v, then %v, %v", s, c, again, err)
		}
	})
}

func FuzzParseTOTP(f *testing.F) {
	f.Add([]byte("GEZDGNBVGY3TQOJQ"))
	f.Add([]byte("otpauth://totp/x?secret=GEZDGNBVGY3TQOJQ&digits=8&period=60&algorithm=SHA512"))
	f.Fuzz(func(t *testing.T, b []byte) {
		totp, err := ParseTOTP(b)
		if err != nil {
			return
		}
		if code := totp.Code(totp.Step(time.Unix(1e9, 0))); len(code) != totp.Digits || bytes.Trim(code, "0123456789") != nil {
			t.Errorf("%q", code)
		}
	})
}
