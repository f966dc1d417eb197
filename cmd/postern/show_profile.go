package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postern/client"
	"postern/client/localapi"
	"postern/client/profile"
)

// showFlags are the flags of show.
type showFlags struct {
	globals
	all bool
}

func showCommand() *cobra.Command {
	var f showFlags
	cmd := &cobra.Command{
		Use:   "show FILE|NAME",
		Short: "Show a profile and its certificates",
		Long: `Show what a profile sets, secrets as "…", and of each certificate that it names
subject, issuer, dates and fingerprint. What is weak, and what ends within 30 days, is
pointed out. No passphrase is asked for, and no token is opened.

Exit codes: 0, 7 profile wrong, 10 no such profile.`,
		Args:              one("show", "one profile: a name or a file"),
		ValidArgsFunction: completeProfiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.globals = globalsOf(cmd)
			return showProfile(cmd.OutOrStdout(), args[0], f)
		},
	}
	cmd.Flags().BoolVar(&f.all, "all", false, "show the defaults too")
	return cmd
}

// shownProfile is what show prints as JSON.
type shownProfile struct {
	Schema       int                       `json:"schema"`
	File         string                    `json:"file"`
	Settings     map[string]string         `json:"settings"` // as TOML has them
	Certificates []client.NamedCertificate `json:"certificates,omitempty"`
	Warnings     []string                  `json:"warnings,omitempty"`
}

func showProfile(out io.Writer, name string, f showFlags) error {
	noCoreDumps()
	p, err := loadProfile(name, profile.NoFD, false)
	if errors.Is(err, profile.ErrNotFound) {
		return showKnown(out, name, f.globals, err)
	}
	if err != nil {
		return client.Explain(err)
	}
	defer p.Clear()
	certs, warnings, err := client.Certificates(p)
	if err != nil {
		return client.Explain(err)
	}
	warnings = append(p.Weak(), warnings...)
	settings := p.Settings(f.all || f.verbose)
	if f.json {
		v := shownProfile{Schema: 1, File: p.File, Settings: map[string]string{}, Certificates: certs, Warnings: warnings}
		for _, s := range settings {
			v.Settings[s.Key] = s.Value
		}
		return json.NewEncoder(out).Encode(v)
	}
	fmt.Fprintf(out, "# %s\n", shorten(p.File))
	for _, s := range settings {
		fmt.Fprintf(out, "%s = %s\n", s.Key, s.Value)
	}
	for _, c := range certs {
		fmt.Fprint(out, "\n", certificateText(c))
	}
	if len(warnings) > 0 {
		fmt.Fprintln(out)
	}
	for _, w := range warnings {
		fmt.Fprintln(out, "note:", w)
	}
	return nil
}

// showKnown shows what the service tells of a profile that only it has.
func showKnown(out io.Writer, name string, g globals, err error) error {
	api := g.service()
	defer api.Close()
	ctx, cancel := context.WithTimeout(context.Background(), listLimit)
	defer cancel()
	infos, _ := api.Profiles(ctx)
	i := slices.IndexFunc(infos, func(p localapi.ProfileInfo) bool { return p.Name == name })
	if i < 0 {
		return client.Explain(err)
	}
	p := infos[i]
	v := shownProfile{Schema: 1, Settings: map[string]string{"name": strconv.Quote(p.Name), "gateway": strconv.Quote(p.Gateway)}}
	if p.Problem != "" {
		v.Warnings = []string{p.Problem}
	}
	if g.json {
		return json.NewEncoder(out).Encode(v)
	}
	fmt.Fprintf(out, "# The service has this profile, and tells no more of it.\nname = %q\ngateway = %q\n", p.Name, p.Gateway)
	for _, w := range v.Warnings {
		fmt.Fprintln(out, "note:", w)
	}
	return nil
}

// certificateText is a certificate in a few lines.
func certificateText(c client.NamedCertificate) string {
	title := map[string]string{
		"yours": "your certificate", "above yours": "authority above yours", "gateway": "the gateway's certificate", "authority": "trusted authority",
	}[c.Use]
	var b strings.Builder
	fmt.Fprintln(&b, title)
	for _, row := range [][2]string{
		{"subject", c.Subject},
		{"issuer", c.Issuer},
		{"names", strings.Join(c.Names, ", ")},
		{"valid", c.NotBefore.UTC().Format(time.DateOnly) + " to " + c.NotAfter.UTC().Format(time.DateOnly)},
		{"fingerprint", c.Fingerprint},
		{"key", c.KeyFingerprint},
	} {
		if row[1] != "" && !(row[0] == "names" && row[1] == c.Subject) {
			fmt.Fprintf(&b, "  %-12s %s\n", row[0], row[1])
		}
	}
	return b.String()
}

// shorten writes a path with ~ for the person's own folder.
func shorten(path string) string {
	home, err := os.UserHomeDir()
	if err != nil || home == "" || home == "/" {
		return path
	}
	if rest, ok := strings.CutPrefix(path, home+string(os.PathSeparator)); ok {
		return "~" + string(os.PathSeparator) + rest
	}
	return path
}
