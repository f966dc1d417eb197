package profile

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Policy (the table [policy]) is what an administrator demands of a system profile, and,
// in the file of the machine's policy, of all profiles.
//
// policy.go has the rules, policy_parse.go reads them, policy_strength.go judges
// algorithms, policy_machine*.go finds the machine's policy, policy_personal.go says what
// a person's profiles have to keep to, and policy_changes.go what they may change.
type Policy struct {
	// Locked (locked) are the keys that a person can't change. A table's name stands
	// for all keys in it, "all" (default) for all keys but those of Preset and the
	// person's own: user, password, otp_secret, key_passphrase and their files.
	Locked []string

	// Preset (preset) are keys whose value here a person may change beside "all".
	Preset []string

	// SaveSecrets (save_secrets) says whether a person may keep passwords: "true",
	// "false" or "gateway" (default), as the gateway says.
	SaveSecrets SaveSecrets

	// MinimumStrength (minimum_strength) is what algorithms have to have: "any"
	// (default), "legacy", "standard" or "strong".
	MinimumStrength Strength

	// AllowedGateways (allowed_gateways) are where a connection may lead: names,
	// "*.example.com" for all names below one, addresses and networks. Default: anywhere.
	AllowedGateways []string

	// Expires (expires) is the last day, in UTC, on which the profile is used:
	// "2027-06-30". The zero Time is never.
	Expires time.Time
}

// SaveSecrets says who decides whether a person may keep passwords.
type SaveSecrets string

const (
	SaveAsGatewaySays SaveSecrets = "gateway"
	SaveAllowed       SaveSecrets = "true"
	SaveForbidden     SaveSecrets = "false"
)

// AllKeys is the word for all keys in Policy.Locked.
const AllKeys = "all"

// personal are the keys that "all" leaves to a person.
var personal = []string{"user", "password", "password_file", "otp_secret", "otp_secret_file", "key_passphrase", "key_passphrase_file"}

// Locks says whether a person can't change a key. nil locks none.
func (p *Policy) Locks(key string) bool {
	table, _, _ := strings.Cut(key, ".")
	has := func(list []string) bool { return slices.Contains(list, key) || slices.Contains(list, table) }
	switch {
	case p == nil:
		return false
	case key == "policy" || table == "policy" || has(p.Locked):
		return true
	}
	return slices.Contains(p.Locked, AllKeys) && !has(p.Preset) && !slices.Contains(personal, key)
}

// allows says whether a connection may lead to a host.
func (p *Policy) allows(host string) bool {
	if len(p.AllowedGateways) == 0 {
		return true
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	addr, err := netip.ParseAddr(host)
	for _, pattern := range p.AllowedGateways {
		pattern = strings.TrimSuffix(strings.ToLower(pattern), ".")
		if network, isNetwork := parsePrefix(pattern); isNetwork == nil {
			if err == nil && network.Contains(addr) {
				return true
			}
			continue
		}
		if below, wild := strings.CutPrefix(pattern, "*"); wild && strings.HasSuffix(host, below) || host == pattern {
			return true
		}
	}
	return false
}

// check says which key of a profile breaks the rules. now is the time.
func (p *Policy) check(of *Profile, now time.Time) *Error {
	if !p.Expires.IsZero() && !now.Before(p.Expires.AddDate(0, 0, 1)) {
		return &Error{Key: "policy.expires", Problem: fmt.Sprintf("the profile ended on %s; ask your administrator for a new one", p.Expires.Format(time.DateOnly))}
	}
	for _, g := range append([]Gateway{of.Gateway}, of.Backup...) {
		if !p.allows(g.Host) {
			return &Error{Key: "gateway", Problem: fmt.Sprintf("your administrator allows no connection to %s, only to %s", g.Host, strings.Join(p.AllowedGateways, ", "))}
		}
	}
	return of.tooWeak(p.MinimumStrength)
}

// Policies are all that administrators demand of one profile. Each of them has to hold.
type Policies []*Policy

// Locks says whether a person can't change a key.
func (all Policies) Locks(key string) bool {
	return slices.ContainsFunc(all, func(p *Policy) bool { return p.Locks(key) })
}

// Allows says whether a connection may lead to a host.
func (all Policies) Allows(host string) bool {
	return !slices.ContainsFunc(all, func(p *Policy) bool { return !p.allows(host) })
}

// Pushed are those of the gateways that a gateway names as its backup which may be used:
// none where backup is locked.
func (all Policies) Pushed(gateways []Gateway) []Gateway {
	if all.Locks("backup") {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(gateways), func(g Gateway) bool { return !all.Allows(g.Host) })
}

// MaySave says whether a person may keep passwords. gateway is what the gateway says,
// nil where it says nothing.
func (all Policies) MaySave(gateway *bool) bool {
	said := gateway == nil || *gateway
	for _, p := range all {
		switch p.SaveSecrets {
		case SaveForbidden:
			return false
		case SaveAllowed:
			said = true
		}
	}
	return said
}

// check says which key of a profile breaks the rules.
func (all Policies) check(of *Profile, now time.Time) error {
	for _, p := range all {
		if fault := p.check(of, now); fault != nil {
			fault.File = of.File
			return fault
		}
	}
	return nil
}

// checkPattern says what is wrong with an element of allowed_gateways, or nil.
func checkPattern(s string) error {
	if _, err := parsePrefix(s); err == nil {
		return nil
	}
	if strings.Contains(s, "/") {
		_, err := parsePrefix(s)
		return err
	}
	name := strings.TrimPrefix(s, "*.")
	if err := checkHost(name); err != nil {
		return fmt.Errorf("%q: %w", s, err)
	}
	return nil
}

// parseExpires reads a day.
func parseExpires(s string) (time.Time, error) {
	day, err := time.Parse(time.DateOnly, s)
	if err != nil {
		return time.Time{}, errors.New(`wants a day like "2027-06-30"`)
	}
	return day, nil
}
