// Command postern connects to the VPN concentrators that speak IKEv1.
//
// One file a verb. global.go has the flags that all of them have, ask.go asks on the
// terminal, show.go shows a connection there and table.go tables, notify.go tells systemd.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"postern/client"
)

func main() {
	if err := newRoot().Execute(); err != nil {
		os.Exit(fail(err))
	}
}

// verbs are all there are, as the help has them together.
func verbs() []struct {
	title    string
	commands []*cobra.Command
} {
	return []struct {
		title    string
		commands []*cobra.Command
	}{
		{"Connections:", []*cobra.Command{upCommand(), downCommand(), statusCommand(), logCommand(), recoverCommand()}},
		{"Profiles:", []*cobra.Command{listCommand(), showCommand(), editCommand(), importCommand(), exportCommand(), removeCommand(), secretCommand()}},
		{"To find out:", []*cobra.Command{probeCommand(), doctorCommand(), demoCommand()}},
		{"For service managers and scripts:", []*cobra.Command{runCommand(), daemonCommand(), profileCommand()}},
		{"This program:", []*cobra.Command{completionCommand(), versionCommand()}},
		{"", []*cobra.Command{workerCommand()}},
	}
}

// newRoot is the command with all its verbs.
func newRoot() *cobra.Command {
	root := group(&cobra.Command{
		Use:   "postern",
		Short: "A VPN client for IKEv1 gateways: Cisco, FortiGate, SonicWall, Juniper, Fritz!Box and their like",
		Long: `A VPN client for IKEv1 gateways: Cisco, FortiGate, SonicWall, Juniper, Fritz!Box and
their like.

    postern import office.pcf   bring your old client's file, or write one: postern edit office
    postern up office           connect; what isn't stored is asked
    postern status              how it stands
    postern down office         disconnect
    postern demo                all of that tried on this machine, with a gateway of its own

The verbs up, down, status and log are about the connections of a service, which runs as
root for everybody ("sudo postern daemon") or without privileges for you ("postern daemon
--user"). "postern run" needs none.`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	})
	cobra.EnableCommandSorting = false
	addGlobals(root)
	root.SetFlagErrorFunc(unknownFlag)
	for _, v := range verbs() {
		for _, c := range v.commands {
			c.GroupID = v.title
		}
		if v.title != "" {
			root.AddGroup(&cobra.Group{ID: v.title, Title: v.title})
		}
		root.AddCommand(v.commands...)
	}
	root.SetHelpCommandGroupID("This program:")
	return root
}

// fail prints what went wrong, for a person, and returns the exit code.
func fail(err error) int {
	var said shown
	if errors.As(err, &said) {
		return said.exit
	}
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(os.Stderr, "postern:", usage.error)
		return client.ExitProfile
	}
	var r *client.Reason
	if errors.As(err, &r) {
		fmt.Fprintln(os.Stderr, "postern:", r.Error())
		return r.Exit
	}
	// What is left is cobra's: an unknown verb or flag.
	fmt.Fprintln(os.Stderr, "postern:", err)
	fmt.Fprintln(os.Stderr, "Try: postern --help")
	return client.ExitProfile
}

// shown is an error that the person has seen already.
type shown struct{ exit int }

func (shown) Error() string { return "shown" }

// usageError is a wrong use of a verb.
type usageError struct{ error }
