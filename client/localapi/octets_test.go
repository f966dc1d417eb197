package localapi

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestOctetsHide(t *testing.T) {
	o := Octets("geheim")
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "o", o, "m", map[string]Octets{"a": o})
	texts := map[string]string{
		"String": o.String(), "Sprint": fmt.Sprint(o), "%v": fmt.Sprintf("%v", o), "%s": fmt.Sprintf("%s", o), "%x": fmt.Sprintf("%x", o),
		"%#v": fmt.Sprintf("%#v", o), "%q": fmt.Sprintf("%q", o), "inside": fmt.Sprintf("%+v", ConnectRequest{Secrets: map[string]Octets{"a": o}}),
		"log": log.String(), "answer": fmt.Sprintf("%#v", AnswerRequest{Answers: map[string]Octets{"a": o}}),
	}
	for name, text := range texts {
		for _, secret := range []string{"geheim", "676568", "103 101", "0x67"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %q", name, text)
			}
		}
		if !strings.Contains(text, hidden) {
			t.Errorf("%s shows %q, not that it hides", name, text)
		}
	}
}

func TestOctetsInJSON(t *testing.T) {
	good := map[string]string{
		`""`: "", `"QQ=="`: "A", `"+/8="`: "\xfb\xff", `"+\/8="`: "\xfb\xff", `"Z2VoZWlt"`: "geheim",
	}
	for in, want := range good {
		var o Octets
		if err := json.Unmarshal([]byte(in), &o); err != nil || string(o) != want {
			t.Errorf("%s: %q, %v", in, []byte(o), err)
		}
	}
	for _, in := range []string{`"QQ"`, `"Q"`, `"QQ==="`, `"Q\u0051=="`, `"-_8="`, `7`, `null`, `{}`, `["QQ=="]`, `true`, `"ge heim"`, `"\/"`} {
		var o Octets
		err := json.Unmarshal([]byte(in), &o)
		if err == nil {
			t.Errorf("%s: taken as %q", in, []byte(o))
		} else if strings.Contains(err.Error(), "QQ") || strings.Contains(err.Error(), "heim") {
			t.Errorf("%s: the error shows it: %v", in, err)
		}
	}
	b, err := json.Marshal(map[string]Octets{"a": Octets("\xfb\xff"), "b": nil})
	if err != nil || string(b) != `{"a":"+/8=","b":""}` {
		t.Errorf("%s, %v", b, err)
	}
}
