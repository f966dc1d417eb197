package prompt

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestClean(t *testing.T) {
	tests := []struct {
		name, in   string
		max        int
		line, text string // of Clean and of CleanText
	}{
		{"plain", "Welcome to Büro", 99, "Welcome to Büro", "Welcome to Büro"},
		{"line ends", "a\r\nb\nc\rd\u2028e\u0085f", 99, "a b c d e f", "a\nb\nc\nd\ne\nf"},
		{"tab", "a\tb", 99, "a b", "a b"},
		{"control characters", "a\x00\x07\x08\x7f\u009bb", 99, "ab", "ab"},
		{"colour of a terminal", "\x1b[31mred\x1b[0m", 99, "[31mred[0m", "[31mred[0m"},
		{"title of a terminal", "\x1b]0;x\x07y", 99, "]0;xy", "]0;xy"},
		{"overrides of direction", "a\u202eb\u2066c\u200fd\u061ce", 99, "abcde", "abcde"},
		{"zero width", "a\u200bb\ufeffc\u00add", 99, "abcd", "abcd"},
		{"joiners stay", "\u0645\u06cc\u200c\u062e", 99, "\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"},
		{"tags and private use", "a\U000e0041\ue000b", 99, "ab", "ab"},
		{"Windows-1252", "B\xfcro \x80 \x93x\x94 \x81", 99, "Büro € “x” \ufffd", "Büro € “x” \ufffd"},
		{"blanks at the ends", " \n a \n ", 99, "a", "a"},
		{"as long as possible", "abcd", 4, "abcd", "abcd"},
		{"too long", "abcde", 4, "abc…", "abc…"},
		{"too long, by characters", "ääää", 3, "ää…", "ää…"},
		{"cut behind a blank", "ab cd", 4, "ab…", "ab…"},
		{"one", "abc", 1, "…", "…"},
		{"none", "abc", 0, "", ""},
		{"empty", "", 5, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.line, Clean(tt.in, tt.max)); d != "" {
				t.Error("Clean:", d)
			}
			if d := cmp.Diff(tt.text, CleanText(tt.in, tt.max)); d != "" {
				t.Error("CleanText:", d)
			}
		})
	}
}

func FuzzClean(f *testing.F) {
	f.Add("Welcome\r\nto B\xfcro\x1b[0m", 10)
	f.Add("a\u202eb\u2028c", 2)
	f.Fuzz(func(t *testing.T, s string, most int) {
		for _, clean := range []func(string, int) string{Clean, CleanText} {
			got := clean(s, most)
			if !utf8.ValidString(got) || utf8.RuneCountInString(got) > max(most, 0) {
				t.Fatalf("%q", got)
			}
			if i := strings.IndexFunc(got, func(r rune) bool { return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r == '\u202e' }); i >= 0 {
				t.Fatalf("%q: octet %d", got, i)
			}
			if again := clean(got, most); again != got {
				t.Fatalf("%q, then %q", got, again)
			}
		}
		if strings.Contains(Clean(s, most), "\n") {
			t.Fatal("two lines")
		}
	})
}

func TestCheck(t *testing.T) {
	tests := []struct {
		field   Field
		answer  string
		problem string
	}{
		{Field{}, "", ""},
		{Field{Min: 1}, "", "at least 1"},
		{Field{Min: 2}, "ä", "at least 2"},
		{Field{Min: 2, Max: 2}, "ää", ""},
		{Field{Max: 2}, "abc", "at most 2"},
		{Field{Kind: YesNo}, "yes", ""},
		{Field{Kind: YesNo}, "no", ""},
		{Field{Kind: YesNo}, "", `"yes" or "no"`},
		{Field{Kind: YesNo, Default: "no"}, "", ""},
		{Field{Kind: YesNo, Default: "no"}, "maybe", `"yes" or "no"`},
		{Field{Min: 4, Default: "alice"}, "", ""},
		{Field{Min: 4, Default: "alice"}, "bob", "at least 4"},
	}
	for _, tt := range tests {
		err := tt.field.Check(Answer(tt.answer))
		if (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("%+v %q: %v", tt.field, tt.answer, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	a := Answer("hunter2")
	answers := Answers{"password": a}
	j, err := json.Marshal(answers)
	if err != nil {
		t.Fatal(err)
	}
	if shown := fmt.Sprintf("%v %x %#v %s", answers, a, answers, j); strings.Contains(shown, "hunter2") || strings.Contains(shown, "68756e") || !strings.Contains(shown, "…") {
		t.Errorf("shows %q", shown)
	}
	answers.Clear()
	if len(answers) != 0 || string(a) != strings.Repeat("\x00", 7) {
		t.Errorf("after Clear: %q in %d answers", []byte(a), len(answers))
	}
}

func TestKind(t *testing.T) {
	for k, want := range map[Kind]string{Text: "text", Secret: "secret", Passcode: "passcode", NewPIN: "new-pin", YesNo: "yes-no", 9: "kind 9"} {
		if k.String() != want {
			t.Errorf("%v, want %s", k, want)
		}
		var again Kind
		if err := again.UnmarshalText([]byte(want)); (err == nil) != (k <= YesNo) || err == nil && again != k {
			t.Errorf("%s: %v, %v", want, again, err)
		}
	}
	if Text.Hidden() || YesNo.Hidden() || !Secret.Hidden() || !Passcode.Hidden() || !NewPIN.Hidden() {
		t.Error("hidden")
	}
}

func TestNobody(t *testing.T) {
	if _, err := Nobody(t.Context(), Prompt{}); !errors.Is(err, ErrNotInteractive) {
		t.Error(err)
	}
}

// TestJSON: a prompt goes to programs as JSON, and comes back the same.
func TestJSON(t *testing.T) {
	p := Prompt{
		ID: 7, Title: "office: log in", Message: "New PIN?\n4 to 8", Deadline: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC),
		Fields: []Field{{Name: "answer", Label: "Answer", Kind: YesNo, Default: "no"}, {Name: "new-pin", Label: "New PIN", Kind: NewPIN, Min: 4, Max: 8}},
	}
	got, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":7,"title":"office: log in","message":"New PIN?\n4 to 8","fields":[` +
		`{"name":"answer","label":"Answer","kind":"yes-no","default":"no"},` +
		`{"name":"new-pin","label":"New PIN","kind":"new-pin","min":4,"max":8}],"deadline":"2026-11-21T10:00:00Z"}`
	if d := cmp.Diff(want, string(got)); d != "" {
		t.Error(d)
	}
	var again Prompt
	if err := json.Unmarshal(got, &again); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p, again); d != "" {
		t.Error(d)
	}
}
