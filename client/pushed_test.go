package client

import (
	"strings"
	"testing"

	"postern/client/profile"
)

// The order in which gateways are dialled, as docs/managed.md has it: what is pushed wins
// over the person, and loses to the policy.
func TestPushedGateways(t *testing.T) {
	for _, c := range []struct{ name, policy, pushed, want string }{
		{"nothing pushed", "", "", "gw.example own.example"},
		{"pushed", "", "b.example evil.test", "gw.example b.example evil.test own.example"},
		{"pushed again", "", "own.example gw.example", "gw.example own.example"},
		{"backup is locked", "[policy]\nlocked = [\"backup\"]", "b.example", "gw.example own.example"},
		{"gateways are allowed", "[policy]\nlocked = [\"gateway\"]\nallowed_gateways = [\"*.example\"]", "b.example evil.test", "gw.example b.example own.example"},
	} {
		p, err := profile.Parse([]byte("gateway = \"gw.example\"\nbackup = [\"own.example\"]\n"+c.policy), "x.toml")
		if err != nil {
			t.Fatal(err)
		}
		conn := New(p, Options{})
		conn.learn(strings.Fields(c.pushed))
		var got []string
		for _, g := range conn.gateways() {
			got = append(got, g.Host)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}
