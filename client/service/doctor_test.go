package service

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"postern/client"
	"postern/client/localapi"
)

// TestDoctor: everybody is told of the machine, and of nobody's connections but their own.
func TestDoctor(t *testing.T) {
	gateway := startGateway(t)
	m := shared(newManager(t, nil))
	id := connect(t, m, alice, localapi.ConnectRequest{Document: document("office", gateway, true)})
	untilState(t, m, alice, id, client.Up)
	about := func(c localapi.Caller, r localapi.DoctorRequest) (*localapi.DoctorReport, []string) {
		t.Helper()
		report, err := m.Doctor(t.Context(), c, r)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		text, err := json.Marshal(report)
		if err != nil || bytes.Contains(text, []byte(groupKey)) || bytes.Contains(text, []byte(password)) {
			t.Errorf("a secret in the report (%v): %s", err, text)
		}
		var profiles []string
		for _, check := range report.Checks {
			if !slices.Contains(profiles, check.Profile) {
				profiles = append(profiles, check.Profile)
			}
		}
		return report, profiles
	}
	report, profiles := about(alice, localapi.DoctorRequest{Bundle: true})
	if !slices.Equal(profiles, []string{"", "office"}) {
		t.Errorf("alice is told of %q", profiles)
	}
	for _, want := range []string{"status.json", "log.txt"} {
		if !slices.ContainsFunc(report.Sections, func(s localapi.Section) bool { return s.Name == want }) {
			t.Errorf("no %s", want)
		}
	}
	report, profiles = about(stranger, localapi.DoctorRequest{Bundle: true})
	text, _ := json.Marshal(report)
	if !slices.Equal(profiles, []string{""}) || bytes.Contains(text, []byte("office")) {
		t.Errorf("a stranger is told of %q: %s", profiles, text)
	}
	if _, profiles = about(alice, localapi.DoctorRequest{Tunnel: "office"}); !slices.Contains(profiles, "office") {
		t.Errorf("alice is told of %q", profiles)
	}
	if _, err := m.Doctor(t.Context(), bob, localapi.DoctorRequest{Tunnel: "office"}); code(err) != localapi.CodeNoSuchProfile {
		t.Errorf("bob, of office: %v", err)
	}
	report, profiles = about(alice, localapi.DoctorRequest{Document: document("office", gateway, true)})
	if answers := slices.IndexFunc(report.Checks, func(c localapi.Check) bool { return c.ID == "gateway_answers" }); !slices.Equal(profiles, []string{"", "office"}) || answers < 0 || report.Checks[answers].Verdict != localapi.VerdictOK {
		t.Errorf("of a profile that she brings alice is told of %q: %+v", profiles, report.Checks)
	}
	if _, err := m.Doctor(t.Context(), stranger, localapi.DoctorRequest{Document: document("office", gateway, true)}); code(err) != localapi.CodeNotPermitted {
		t.Errorf("a stranger, of a profile that they bring: %v", err)
	}
	m.rights.mode = localapi.ModeUser
	if _, err := m.Doctor(t.Context(), bob, localapi.DoctorRequest{}); code(err) != localapi.CodeNotPermitted {
		t.Errorf("bob, of another's service: %v", err)
	}
}

// TestDoctorOfADemo: its profiles can be used again afterwards.
func TestDoctorOfADemo(t *testing.T) {
	gateway := startGateway(t)
	m := newManager(t, func(c *Config) { c.Demo = []localapi.Document{*document("office", gateway, true)} })
	for range 2 {
		report, err := m.Doctor(t.Context(), root, localapi.DoctorRequest{Tunnel: "office"})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(report.Checks, func(c localapi.Check) bool { return c.ID == "secrets" })
		if i < 0 || report.Checks[i].Found != "Stored: the pre-shared key, the password." {
			t.Errorf("%+v", report.Checks)
		}
	}
	if !bytes.Equal(m.config.Demo[0].Secrets["secret"], []byte(groupKey)) {
		t.Error("the demonstration's key was cleared")
	}
}
