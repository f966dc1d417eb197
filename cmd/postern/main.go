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

// newRoot is the command with all its verbs.
func newRoot() *cobra.Command {
	root := group(&cobra.Command{
		Use:               "postern",
		Short:             "A VPN client for IKEv1 gateways: Cisco, FortiGate, SonicWall, Juniper, Fritz!Box and their like",
		SilenceUsage:      true,
		SilenceErrors:     true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	})
	addGlobals(root)
	root.SetFlagErrorFunc(unknownFlag)
	root.AddCommand(
		runCommand(),
		daemonCommand(),
		workerCommand(),
		showCommand(),
		demoCommand(),
		probeCommand(),
		doctorCommand(),
		upCommand(),
		downCommand(),
		statusCommand(),
		listCommand(),
		editCommand(),
		removeCommand(),
		importCommand(),
		exportCommand(),
		logCommand(),
		secretCommand(),
		completionCommand(),
		versionCommand(),
	)
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
