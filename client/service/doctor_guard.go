package service

import (
	"fmt"
	"strings"
	"time"

	"postern/client/localapi"
	"postern/tun/hostnet"
)

// killSwitches says of the kill switches that hold without a connection: their process
// died. Whose they are is nobody else's business, that they are is everybody's, whose
// programs they keep off the network. Nothing where there is none.
func (m *Manager) killSwitches(c localapi.Caller) []localapi.Check {
	if m.config.Mode != localapi.ModeSystem {
		return nil
	}
	all, err := hostnet.Guards(m.config.StateDir)
	check := localapi.Check{ID: "kill_switch", Title: "Kill switch", Verdict: localapi.VerdictFail}
	if err != nil {
		check.Verdict, check.Found = localapi.VerdictSkipped, fmt.Sprintf("What a crash left can't be listed: %v.", err)
		return []localapi.Check{check}
	}
	var left []string
	for _, g := range all {
		if !g.Alive {
			left = append(left, fmt.Sprintf("since %s that of %s", g.Since.Format(time.DateTime), m.tellID(g.ID, c)))
		}
	}
	if len(left) == 0 {
		return nil
	}
	check.Found = "It holds without a connection, which crashed: " + strings.Join(left, ", ") + ". What it protects goes nowhere."
	check.Advice = "Connect and disconnect that profile, or lift it: sudo postern recover"
	return []localapi.Check{check}
}

// tellID is the ID of a kill switch for those who may know of its connection.
func (m *Manager) tellID(id string, c localapi.Caller) string {
	whose, _, personal := strings.Cut(id, ":")
	if personal && whose != owner(c.UID).String() && !m.rights.controls(c) {
		return "somebody else"
	}
	return id
}
