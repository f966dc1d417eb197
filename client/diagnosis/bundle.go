package diagnosis

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"postern/client/localapi"
	"postern/client/profile"
)

// sections are what a person gives to others who are to help: checks, versions, the
// network, the status, the log, profiles without their secrets.
func (f *facts) sections(s Subject, r *localapi.DoctorReport) []localapi.Section {
	out := []localapi.Section{
		{Name: "checks.txt", Text: Text(r)},
		{Name: "system.txt", Text: fmt.Sprintf("postern %s\n%s\n%s\n", r.Version, r.System, r.Time.Format(time.RFC3339))},
	}
	add := func(name, text string) {
		if strings.TrimSpace(text) != "" {
			out = append(out, localapi.Section{Name: name, Text: text})
		}
	}
	if s.Snapshot != nil {
		add("status.json", statusText(*s.Snapshot))
	}
	for _, p := range s.Profiles {
		add("profile-"+strings.ReplaceAll(p.Name, " ", "-")+".toml", string(p.Marshal()))
	}
	add("interfaces.txt", f.linksText())
	add("routes.txt", f.routesText())
	add("rules.txt", lines(f.rules))
	add("dns.txt", f.resolver.describe())
	add("log.txt", LogText(s.Log))
	hide := secretsOf(s.Profiles)
	for i := range out {
		out[i].Text = hide(out[i].Text)
	}
	return out
}

// statusText is a snapshot without what a gateway may tell a person alone: there may
// be a PIN in a prompt.
func statusText(s localapi.Snapshot) string {
	s.Tunnels = slices.Clone(s.Tunnels)
	for i := range s.Tunnels {
		s.Tunnels[i].Prompt = nil
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return ""
	}
	return string(text) + "\n"
}

// Text is the checks of a report for a person without a terminal.
func Text(r *localapi.DoctorReport) string {
	var b strings.Builder
	for _, c := range r.Checks {
		title := c.Title
		if c.Profile != "" {
			title = c.Profile + ": " + title
		}
		fmt.Fprintf(&b, "%-7s %s: %s\n", c.Verdict, title, c.Found)
		if c.Advice != "" {
			fmt.Fprintf(&b, "        -> %s\n", c.Advice)
		}
	}
	return b.String()
}

// LogText is a log, a line each.
func LogText(log []localapi.LogLine) string {
	var b strings.Builder
	for _, l := range log {
		fmt.Fprintf(&b, "%s %-5s ", l.Time.Format(time.RFC3339Nano), l.Level)
		if l.Tunnel != "" {
			fmt.Fprintf(&b, "%s: ", l.Tunnel)
		}
		b.WriteString(l.Message)
		keys := make([]string, 0, len(l.Attrs))
		for k := range l.Attrs {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			fmt.Fprintf(&b, " %s=%q", k, l.Attrs[k])
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func (f *facts) linksText() string {
	var b strings.Builder
	for _, l := range f.links {
		state := "down"
		if l.up {
			state = "up"
		}
		fmt.Fprintf(&b, "%s %s %s mtu %d %s\n", l.name, l.kind, state, l.mtu, list(l.addresses))
	}
	return b.String()
}

func (f *facts) routesText() string {
	var all []string
	for _, r := range f.routes {
		all = append(all, r.text)
	}
	return lines(all)
}

func (r resolver) describe() string {
	var b strings.Builder
	if r.text != "" {
		fmt.Fprintf(&b, "# /etc/resolv.conf, which is %s\n%s\n", r.file, strings.TrimRight(r.text, "\n"))
	}
	if r.links != nil {
		b.WriteString("# systemd-resolved\n")
	}
	for name, l := range r.links {
		if name == "" {
			name = "everywhere"
		}
		fmt.Fprintf(&b, "%s: servers %s; search %s; routing %s\n", name, list(l.servers), strings.Join(l.search, " "), strings.Join(l.routing, " "))
	}
	return b.String()
}

func lines(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return strings.Join(all, "\n") + "\n"
}

// secretsOf returns a function that takes the secrets of profiles out of a text.
// They don't get into one: this is the second lock on that door.
func secretsOf(profiles []*profile.Profile) func(string) string {
	const shortest = 4 // whatever is shorter would take words apart
	return func(text string) string {
		b := []byte(text)
		for _, p := range profiles {
			for _, secret := range []profile.Secret{p.Secret, p.Password, p.OTPSecret, p.KeyPassphrase, p.PAPAuthSecret} {
				if len(secret) >= shortest {
					b = bytes.ReplaceAll(b, secret, []byte("…"))
				}
			}
		}
		return string(pin.ReplaceAll(b, []byte("$1…")))
	}
}

// pin is the PIN of a token in its URI (RFC 7512, section 2.4), where it doesn't
// belong.
var pin = regexp.MustCompile(`(?i)(pin-value=)[^;&?"'\s]*`)
