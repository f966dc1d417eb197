package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"postern/client/localapi"
)

// version is set by the linker for a release.
var version = ""

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version, with --verbose the service's too", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return printVersion(cmd.OutOrStdout(), globalsOf(cmd)) },
	}
}

func printVersion(out io.Writer, g globals) error {
	own := localapi.VersionReply{Schema: 1, Version: buildVersion(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if g.json {
		return json.NewEncoder(out).Encode(own)
	}
	text := func(v localapi.VersionReply) string {
		return fmt.Sprintf("%s (%s %s/%s)", v.Version, v.Go, v.OS, v.Arch)
	}
	fmt.Fprintln(out, "postern", text(own))
	if !g.verbose {
		return nil
	}
	api := g.service()
	defer api.Close()
	service, err := api.Version(context.Background())
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "service %s on %s\n", text(service), api.Socket())
	return nil
}

func buildVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
