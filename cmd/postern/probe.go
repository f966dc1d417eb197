package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postern/client"
	"postern/client/diagnosis"
	"postern/client/localapi"
)

func probeCommand() *cobra.Command {
	var r localapi.ProbeRequest
	cmd := &cobra.Command{
		Use:   "probe HOST",
		Short: "Ask a gateway what it answers to: modes, proposals, authentication",
		Long: `Ask a gateway what it answers to, and show the lines of a profile that fit.

HOST is a name or address, with ":port" where it isn't 500. Only first messages are
sent, one at a time, 60 at most within a minute: no login is tried, and no secret is
needed. Aggressive Mode needs a group's name, --identity; without it only Main Mode is
asked. Nothing in the answers is authenticated.

This needs neither privileges nor the service; with --socket the service asks. Ask
only gateways that are yours to use.

Exit codes: 0 something was answered, 3 nothing was, 5 network failed, 7 no such host or
option wrong.`,
		Example:           "  postern probe vpn.example.com\n  postern probe vpn.example.com --identity staff",
		Args:              one("probe", "one gateway: a name or address"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Host = args[0]
			return probe(cmd, r)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&r.Identity, "identity", "", "a group's name, to ask in Aggressive Mode too")
	fs.StringVar(&r.IdentityType, "identity-type", "", "its form: key-id, fqdn or user-fqdn (default: key-id, then fqdn; user-fqdn where there is an @)")
	_ = cmd.RegisterFlagCompletionFunc("identity-type", cobra.FixedCompletions([]string{"key-id", "fqdn", "user-fqdn"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func probe(cmd *cobra.Command, r localapi.ProbeRequest) error {
	g := globalsOf(cmd)
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	if !g.quiet && !g.json {
		fmt.Fprintf(cmd.ErrOrStderr(), "Asking %s, slowly: this takes from ten seconds to a minute.\n", r.Host)
	}
	ask := diagnosis.Probe
	if g.socket != "" {
		service := g.service()
		defer service.Close()
		ask = service.Probe
	}
	report, err := ask(ctx, r)
	switch {
	case ctx.Err() != nil:
		return shown{client.ExitInterrupted}
	case err != nil:
		return client.Explain(err)
	}
	if g.json {
		err = json.NewEncoder(cmd.OutOrStdout()).Encode(report)
	} else {
		err = showProbe(cmd.OutOrStdout(), report, g.verbose, g.colours(cmd.OutOrStdout()))
	}
	if err == nil && !wasAnswered(report) {
		return shown{client.ExitTimeout}
	}
	return err
}

// wasAnswered says whether a gateway said anything.
func wasAnswered(r *localapi.ProbeReport) bool {
	return slices.ContainsFunc(r.Ports, func(p localapi.ProbePort) bool { return p.Answer == "answers" }) ||
		r.Received > 0
}

// showProbe prints a report as a table, with the lines of a profile below.
func showProbe(out io.Writer, r *localapi.ProbeReport, verbose bool, colours palette) error {
	t := probeTable{colours: colours}
	t.title(r)
	t.mode("Main Mode", r.MainMode)
	if r.AggressiveMode != nil {
		t.mode("Aggressive Mode", *r.AggressiveMode)
		t.row("  calls itself", r.Identity)
	} else {
		t.row("Aggressive Mode", "not asked; it needs a group's name: --identity GROUP")
	}
	t.row("IKEv2", map[string]string{"yes": "yes", "refused": "known, but refused to us", "other": "no, IKEv1 only", "no": "no answer", "": "not asked"}[r.IKEv2])
	t.row("it speaks", strings.Join(spoken(r), ", "))
	t.vendors(r.Vendors, verbose)
	t.weaknesses(r)
	if len(r.Notes) > 0 {
		t.WriteString("\n")
	}
	for _, n := range r.Notes {
		t.WriteString(wrap(n, "* ", 78))
	}
	if r.Profile != "" {
		t.WriteString("\n" + colours.paint(bold, "Lines for a profile; its secret, user and esp are yours to add:") + "\n\n" + r.Profile)
	}
	if verbose {
		fmt.Fprintf(&t, "\n%d datagrams sent, %d answered, %d others ignored, in %.1f s\n", r.Sent, r.Received, r.Ignored, r.Took.Seconds())
	}
	_, err := io.WriteString(out, t.String())
	return err
}

// probeTable is the table as it grows.
type probeTable struct {
	strings.Builder
	colours palette
}

// row adds a row; an empty value leaves it out.
func (t *probeTable) row(name, value string) {
	if value != "" {
		fmt.Fprintf(t, "  %-17s %s\n", name, value)
	}
}

func (t *probeTable) title(r *localapi.ProbeReport) {
	name := r.Host
	if r.Address != r.Host {
		name += " (" + r.Address + ")"
	}
	fmt.Fprintln(t, t.colours.paint(bold, name))
	if len(r.Addresses) > 1 {
		t.row("addresses", strings.Join(r.Addresses, ", "))
	}
	var ports []string
	for _, p := range r.Ports {
		ports = append(ports, fmt.Sprintf("%d %s", p.Port, p.Answer))
	}
	t.row("UDP ports", strings.Join(ports, ", "))
}

func (t *probeTable) mode(name string, m localapi.ProbeMode) {
	if m.Answer == "accepts" {
		t.row(name, t.colours.paint(green, "accepts"))
	} else {
		said := m.Answer
		if len(m.Refusals) > 0 {
			said += ": " + strings.Join(m.Refusals, ", ")
		}
		t.row(name, said)
		return
	}
	for i, p := range m.Accepted {
		label := "  proposals"
		if i > 0 {
			label = ""
		}
		value := p.Proposal
		if len(p.Weak) > 0 {
			value = fmt.Sprintf("%-24s %s", p.Proposal, t.colours.paint(yellow, "weak"))
		}
		t.row(label, value)
	}
	switch {
	case m.Complete:
		t.row("", t.colours.paint(dim, "and none of the others that postern knows"))
	default:
		t.row("", t.colours.paint(dim, "perhaps others too: not all were asked for"))
	}
	for i, method := range m.Methods {
		label := "  login by"
		if i > 0 {
			label = "  or"
		}
		t.row(label, method)
	}
	if life := m.Accepted[0].Lifetime; life > 0 {
		t.row("  life time", strings.TrimSuffix(strings.TrimSuffix(life.String(), "0s"), "0m"))
	}
}

// spoken is what the gateway announces.
func spoken(r *localapi.ProbeReport) (all []string) {
	for _, f := range []struct {
		name string
		has  bool
	}{{"XAuth", r.XAuth}, {"DPD", r.DPD}, {"IKE fragmentation", r.Fragmentation}, {"Cisco Unity", r.Unity}} {
		if f.has {
			all = append(all, f.name)
		}
	}
	if len(r.NATTraversal) > 0 {
		all = append(all, "NAT traversal ("+strings.Join(r.NATTraversal, ", ")+")")
	}
	return all
}

// vendors shows what the gateway may be. All vendor IDs are for those who want more.
func (t *probeTable) vendors(vs []localapi.ProbeVendor, verbose bool) {
	features := []string{"XAuth", "DPD", "IKE frag", "Cisco Unity", "NAT trav"}
	var products []string
	unknown := 0
	for _, v := range vs {
		feature := slices.ContainsFunc(features, func(f string) bool { return strings.HasPrefix(v.Name, f) })
		switch {
		case v.Name == "":
			unknown++
		case !feature && !slices.Contains(products, v.Name):
			products = append(products, v.Name)
		}
	}
	t.row("it may be", strings.Join(products, ", "))
	if verbose {
		for i, v := range vs {
			label := "vendor IDs"
			if i > 0 {
				label = ""
			}
			t.row(label, strings.TrimSpace(fmt.Sprintf("%s  %s", v.ID, v.Name)))
		}
	} else if unknown > 0 {
		t.row("", number(unknown, "vendor ID is", "vendor IDs are")+" unknown (-v shows all)")
	}
}

// weaknesses explains the word weak.
func (t *probeTable) weaknesses(r *localapi.ProbeReport) {
	all := r.MainMode.Accepted
	if r.AggressiveMode != nil {
		all = append(slices.Clone(all), r.AggressiveMode.Accepted...)
	}
	var said []string
	for _, p := range all {
		for _, w := range p.Weak {
			if !slices.Contains(said, w) {
				said = append(said, w)
			}
		}
	}
	if len(said) > 0 {
		t.WriteString("\n" + wrap(strings.Join(said, " "), t.colours.paint(yellow, "weak")+": ", 78))
	}
}

// wrap breaks a text between words into lines of about width characters; the first
// begins with a prefix, the others are indented by two.
func wrap(text, prefix string, width int) string {
	var b strings.Builder
	b.WriteString(prefix)
	column := 2
	for i, word := range strings.Fields(text) {
		switch n := len([]rune(word)); {
		case i == 0:
			column += n
		case column+1+n > width:
			b.WriteString("\n  ")
			column = 2 + n
		default:
			b.WriteString(" ")
			column += 1 + n
		}
		b.WriteString(word)
	}
	b.WriteString("\n")
	return b.String()
}
