package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"postern/client"
	"postern/client/prompt"
)

// While a person is asked, the status says what; nothing of the answer is in it.
func TestStatusShowsPrompt(t *testing.T) {
	g := startGateway(t, "127.0.0.1:0")
	var c *connection
	made := make(chan struct{})
	c = connect(t, testProfile(t, g.Addr(), ""), func(_ context.Context, p prompt.Prompt) (prompt.Answers, error) {
		<-made
		st := c.Status()
		if st.State != client.WaitingForInput || st.Prompt == nil {
			t.Errorf("status %+v", st)
			return nil, prompt.ErrCancelled
		}
		q := st.Prompt
		if q.ID == 0 || q.ID != p.ID || q.Title != "test: log in" || q.Deadline.IsZero() || len(q.Fields) != 1 || q.Fields[0].Name != "password" {
			t.Errorf("prompt %+v", q)
		}
		return prompt.Answers{"password": prompt.Answer(password)}, nil
	})
	close(made)
	st := c.await(client.Up)
	text, err := json.Marshal(st)
	if st.Prompt != nil || err != nil || strings.Contains(string(text), "prompt") {
		t.Errorf("%s, %v", text, err)
	}
	if err := c.end(); err != nil {
		t.Error(err)
	}
}

// A seed that is none is the profile's fault, found before the gateway is asked.
func TestSeedIsChecked(t *testing.T) {
	g := startGateway(t, "127.0.0.1:0")
	for more, problem := range map[string]string{
		`otp = "totp"`: "tp_secret: is absent",
		"otp = \"totp\"\notp_secret = \"canary018\"": "isn't a seed",
	} {
		c := connect(t, stored(t, g.Addr(), more), nil)
		err := <-c.ended
		var r *client.Reason
		if !errors.As(err, &r) || r.Code != "profile" || !strings.Contains(r.Message, problem) || strings.Contains(r.Message+r.Detail, "canary") {
			t.Errorf("%v (%+v), want %q", err, r, problem)
		}
	}
	c := connect(t, stored(t, g.Addr(), "otp = \"totp\"\notp_secret = \"GEZDGNBVGY3TQOJQ\"\nvendor = \"fortigate\""), nil)
	c.await(client.Up)
	if err := c.end(); err != nil {
		t.Error(err)
	}
}
