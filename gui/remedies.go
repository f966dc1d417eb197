package gui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"

	"postern/client/localapi"
	"postern/client/profile"
)

// remedy is what may help against a failure: a key of the profile to look at, asking the
// gateway what it takes, or the other mode of phase 1.
type remedy struct {
	key   string
	probe bool
	mode  bool
}

// remedyFor are the remedies by a Reason's code. Any failure can be tried again and
// reported.
var remedyFor = map[string]remedy{
	"name_not_found":            {key: "gateway"},
	"no_answer":                 {key: "gateway", probe: true, mode: true},
	"no_answer_key":             {key: "secret"},
	"no_answer_midway":          {probe: true},
	"no_answer_quick":           {key: "esp"},
	"group_key_wrong":           {key: "secret"},
	"authentication_failed":     {key: "secret"},
	"login_refused":             {key: "user"},
	"no_proposal":               {key: "ike", probe: true, mode: true},
	"no_proposal_esp":           {key: "esp"},
	"identity_refused":          {key: "identity", mode: true},
	"wrong_gateway":             {key: "gateway_identity"},
	"no_xauth":                  {key: "xauth"},
	"unasked":                   {key: "xauth"},
	"no_configuration":          {key: "address"},
	"port_taken":                {key: "source_port"},
	"no_nat_traversal":          {key: "nat_traversal"},
	"certificate_wrong_name":    {key: "gateway_identity"},
	"certificate_untrusted":     {key: "ca"},
	"certificate_changed":       {key: "gateway_pin"},
	"certificate_weak":          {key: "certificates.allow_sha1"},
	"gateway_unknown":           {key: "ca"},
	"profile":                   {},
	"certificate_not_yet_valid": {},
}

// remedies are the next things to try, as buttons.
func (u *UI) remedies(e *entry, r *localapi.Reason) (all []fyne.CanvasObject) {
	m := remedyFor[r.Code]
	var p *profile.Profile
	if e.own {
		p = u.person.find(e.name)
	}
	if m.key != "" && (p != nil || e.managed) {
		all = append(all, button(lang.L("Edit: {{.Field}}", map[string]any{"Field": fieldLabel(m.key)}), theme.DocumentCreateIcon(), func() { u.editEntry(e, m.key) }))
	}
	if e.own && e.problem != "" {
		all = append(all, button(lang.L("Edit the text"), theme.DocumentCreateIcon(), func() { u.editText(e.name) }))
	}
	if p != nil && m.mode {
		all = append(all, u.otherMode(e, p))
	}
	if m.probe && e.gateway != "" {
		all = append(all, button(lang.L("Ask the gateway"), theme.SearchIcon(), func() { u.probe(e) }))
	}
	if e.problem == "" && e.owner == "" {
		all = append(all, button(lang.L("Check"), theme.ConfirmIcon(), func() { u.examine(e) }))
	}
	return append(all, button(lang.L("Copy report"), theme.ContentCopyIcon(), func() { u.copyReport(e, r) }))
}

// otherMode tries the mode that the profile doesn't name, and keeps it there.
func (u *UI) otherMode(e *entry, p *profile.Profile) fyne.CanvasObject {
	mode, text := profile.AggressiveMode, lang.L("Try Aggressive Mode")
	if p.Mode == profile.AggressiveMode {
		mode, text = profile.MainMode, lang.L("Try Main Mode")
	}
	return button(text, theme.ViewRefreshIcon(), func() {
		q := *p
		q.Mode = mode
		if _, err := profile.Save(&q, profile.UserFolder(), profile.Saving{Secrets: true, Replace: true}); err != nil {
			u.complain(err)
			return
		}
		u.reload()
		u.connect(e)
	})
}

// probe asks an entry's gateway what it answers to, on the page for that.
func (u *UI) probe(e *entry) {
	u.tabs.SelectIndex(2)
	u.diagnosis.ask(e)
	u.diagnosis.probe()
}

// examine checks what an entry's profile needs, on the same page.
func (u *UI) examine(e *entry) {
	u.tabs.SelectIndex(2)
	u.diagnosis.subject.SetSelected(e.name)
	u.diagnosis.doctor()
}

// fieldLabel is what the editor calls a key.
func fieldLabel(key string) string {
	for _, page := range profilePages() {
		for _, f := range page.fields {
			if f.key == key {
				return f.label
			}
		}
	}
	return key
}
