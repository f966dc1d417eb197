package profile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// filePolicy is a policy as TOML, a registry or a property list has it.
type filePolicy struct {
	Locked          []string `toml:"locked" plist:"locked"`
	Preset          []string `toml:"preset" plist:"preset"`
	SaveSecrets     any      `toml:"save_secrets" plist:"save_secrets"`
	MinimumStrength string   `toml:"minimum_strength" plist:"minimum_strength"`
	AllowedGateways []string `toml:"allowed_gateways" plist:"allowed_gateways"`
	Expires         string   `toml:"expires" plist:"expires"`
}

// policy reads the table [policy], and checks the profile against it.
func (r *reader) policy(p *Profile) {
	if !r.has("policy") && !slices.ContainsFunc(slices.Collect(maps.Keys(r.lines)), isPolicyKey) {
		return
	}
	p.Policy = defaultPolicy()
	r.rules(p.Policy, &r.in.Policy, "policy.")
	if r.err != nil {
		return
	}
	p.Policies = Policies{p.Policy}
	var never time.Time // what has expired can still be read
	if fault := p.Policy.check(p, never); fault != nil {
		r.fail(fault.Key, fault.Problem+", says [policy]")
	}
}

// has says whether a setting is one of p's, other than what it locks, which makes the
// table stand in a file at all.
func (p *Policy) has(s Setting) bool {
	return s.Key != "policy.locked" && slices.Contains(p.settings(), s)
}

func defaultPolicy() *Policy {
	return &Policy{Locked: []string{AllKeys}, SaveSecrets: SaveAsGatewaySays, MinimumStrength: StrengthAny}
}

// rules reads the keys of a policy, which stand behind prefix.
func (r *reader) rules(p *Policy, in *filePolicy, prefix string) {
	set(r, prefix+"locked", in.Locked, &p.Locked, some(each(lockable(true))))
	set(r, prefix+"preset", in.Preset, &p.Preset, each(lockable(false)))
	set(r, prefix+"save_secrets", in.SaveSecrets, &p.SaveSecrets, parseSaveSecrets)
	set(r, prefix+"minimum_strength", in.MinimumStrength, &p.MinimumStrength, oneOf[Strength]("any legacy standard strong", ""))
	set(r, prefix+"allowed_gateways", in.AllowedGateways, &p.AllowedGateways, each(func(s string) (string, error) { return s, checkPattern(s) }))
	set(r, prefix+"expires", in.Expires, &p.Expires, optional(parseExpires))
	for _, key := range p.Preset {
		if slices.Contains(p.Locked, key) {
			r.fail(prefix+"preset", fmt.Sprintf("%q is locked, too; it can't be both", key))
		}
	}
}

// lockable takes the name of a key or a table, or "all".
func lockable(all bool) func(string) (string, error) {
	return func(s string) (string, error) {
		switch {
		case s == AllKeys && all:
		case s == AllKeys:
			return "", errors.New(`"all" is for locked only`)
		case keys[s] == "" || s == "policy" || isPolicyKey(s):
			return "", errors.New(unknown(s))
		}
		return s, nil
	}
}

func isPolicyKey(key string) bool { return len(key) > 7 && key[:7] == "policy." }

func parseSaveSecrets(v any) (SaveSecrets, error) {
	switch v {
	case true:
		return SaveAllowed, nil
	case false:
		return SaveForbidden, nil
	case string(SaveAsGatewaySays):
		return SaveAsGatewaySays, nil
	}
	return "", fmt.Errorf("wants %s, not %q", perhaps, v)
}

// settings are the keys of the table, for Settings; none where there is no table.
func (p *Policy) settings() (out []Setting) {
	if p == nil {
		return nil
	}
	expires := ""
	if !p.Expires.IsZero() {
		expires = p.Expires.Format(time.DateOnly)
	}
	for _, s := range []struct {
		key   string
		value any
	}{
		{"policy.locked", p.Locked},
		{"policy.preset", p.Preset},
		{"policy.save_secrets", p.SaveSecrets},
		{"policy.minimum_strength", p.MinimumStrength},
		{"policy.allowed_gateways", p.AllowedGateways},
		{"policy.expires", expires},
	} {
		out = append(out, Setting{s.key, written(s.value)})
	}
	return out
}
