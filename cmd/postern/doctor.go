package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/spf13/cobra"

	"postern/client"
	"postern/client/diagnosis"
	"postern/client/localapi"
)

// doctorFlags are the flags of doctor.
type doctorFlags struct {
	output    string
	anonymous bool
}

func doctorCommand() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:     "doctor [FILE|NAME]",
		Aliases: []string{"bugreport"},
		Short:   "Check this machine, profiles and connections; make a report for others",
		Long: `Check what connections need, and say what to do about what is wrong: the service and
your rights, the TUN device, clock, routes, other VPN software, name resolution; of each
profile its strength, secrets, certificates, networks, and whether its gateway answers;
of each connection that is up its routes and name servers. Nothing is changed. Gateways
are asked one question, if there are no more than four profiles or one is named.

With -o the report goes into a file that you can give to whoever helps you: the checks,
versions, status, the last lines of the log, interfaces, routes, rules, name servers and
the profiles without their secrets. --anonymous masks public addresses and the names of
hosts and users. Look through it before you give it away.

Exit codes: 0 nothing is wrong, 1 something is, 7 option wrong, 10 no such profile.`,
		Example:           "  postern doctor\n  postern doctor office\n  postern doctor office --anonymous -o report.zip",
		Args:              atMostOne("doctor"),
		ValidArgsFunction: completeProfiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			name := ""
			if len(args) == 1 {
				name = args[0]
			}
			return doctor(cmd, name, f)
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&f.output, "output", "o", "", "write a report for others: FILE.zip, FILE.tar.gz or FILE.txt; - is text on standard output")
	fs.BoolVar(&f.anonymous, "anonymous", false, "mask public addresses and the names of hosts and users")
	_ = cmd.MarkFlagFilename("output", "zip", "tar.gz", "txt")
	return cmd
}

// manyGateways is beyond how many profiles no gateway is asked without being named.
const manyGateways = 4

func doctor(cmd *cobra.Command, name string, f doctorFlags) error {
	noCoreDumps()
	g := globalsOf(cmd)
	if err := checkReport(f.output); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	v := &visit{name: name, Subject: diagnosis.Subject{Version: buildVersion(), Bundle: f.output != "", Anonymous: f.anonymous}}
	defer v.clear()
	if err := v.readProfiles(); err != nil {
		return client.Explain(err)
	}
	v.Quiet = name == "" && len(v.Profiles) > manyGateways
	if err := v.askService(ctx, g); err != nil {
		return client.Explain(err)
	}
	report, err := diagnosis.Doctor(ctx, v.Subject)
	switch {
	case ctx.Err() != nil:
		return shown{client.ExitInterrupted}
	case err != nil:
		return client.Explain(err)
	}
	return tell(cmd, g, f, report)
}

// tell prints the report, or writes it to a file.
func tell(cmd *cobra.Command, g globals, f doctorFlags, r *localapi.DoctorReport) error {
	out := cmd.OutOrStdout()
	switch {
	case f.output == "-":
		if _, err := io.WriteString(out, reportText(r)); err != nil {
			return err
		}
	case f.output != "":
		if err := writeReport(f.output, r); err != nil {
			return client.Explain(err)
		}
		fallthrough
	default:
		if g.json {
			if err := json.NewEncoder(out).Encode(r); err != nil {
				return err
			}
			break
		}
		showChecks(out, r, g.quiet, g.colours(out))
		if f.output != "" {
			fmt.Fprint(cmd.ErrOrStderr(), wrap("Wrote "+f.output+". There is no secret in it; look through it before you give it away.", "", 78))
		}
	}
	if r.Verdict == localapi.VerdictFail {
		return shown{client.ExitOther}
	}
	return nil
}
