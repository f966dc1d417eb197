//go:build unix

package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"postern/client"
)

func TestDemoAuth(t *testing.T) {
	tests := []struct {
		auth string
		want []string // in this order
		last string
	}{
		{"radius", []string{
			`RADIUS: Access-Request of "alice" -> Access-Challenge`, `"Which concentrator did you dial first?"`,
			`RADIUS: Access-Request of "alice" -> Access-Accept`, "inner address 10.20.0.15",
		}, `RADIUS: Accounting-Request (Stop) of "alice"`},
		{"stamp", []string{
			`RADIUS: Access-Request of "alice" -> Access-Accept`, "asks for the passcode", "asks for the decision", "asks for the new pin",
			"asks for the next tokencode", `SecurID: Access-Request of "alice" -> Access-Accept`, "doesn't allow secrets", "inner address 10.20.0.15",
		}, "Moved:"},
		{"securid", []string{
			`"Enter PASSCODE:"`, `"Do you want to choose your new PIN yourself (y/n)?"`, `"Enter a new PIN of 4 to 8 digits:"`,
			`"Please re-enter the new PIN:"`, "then enter the new passcode", "enter the new tokencode",
			`RADIUS: Access-Request of "alice" -> Access-Accept`, "You are behind the gateway",
		}, `RADIUS: Accounting-Request (Stop) of "alice"`},
	}
	for _, tt := range tests {
		t.Run(tt.auth, func(t *testing.T) {
			p := postern(t, "demo", "--auth", tt.auth, "--verbose")
			if exit := p.finish(); exit != 0 {
				t.Fatalf("exit code %d", exit)
			}
			rest := p.out.String()
			for _, want := range append(slices.Clone(tt.want), tt.last) {
				_, behind, found := strings.Cut(rest, want)
				if !found {
					t.Fatalf("doesn't say %q behind the others:\n%s", want, p.out.String())
				}
				rest = behind
			}
		})
		t.Run(tt.auth+" as JSON", func(t *testing.T) {
			p := postern(t, "demo", "--auth", tt.auth, "--json")
			if exit := p.finish(); exit != 0 {
				t.Fatalf("exit code %d", exit)
			}
			var result demoResult
			if err := json.Unmarshal(p.out.Bytes(), &result); err != nil || result.Status.State != client.Up {
				t.Errorf("%v: %+v", err, result)
			}
		})
	}
	if exit := postern(t, "demo", "--auth", "kerberos").finish(); exit != 7 {
		t.Errorf("exit code %d, want 7", exit)
	}
}
