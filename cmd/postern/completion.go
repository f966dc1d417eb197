package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"postern/client/profile"
)

func completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print a script that lets your shell complete what you type",
		Long: `Print a script for your shell, which then completes verbs, flags and the names of
profiles and connections. That of bash needs the package bash-completion.`,
		Example: `  bash:        source <(postern completion bash)
  zsh:         postern completion zsh > "${fpath[1]}/_postern"
  fish:        postern completion fish > ~/.config/fish/completions/postern.fish
  PowerShell:  postern completion powershell | Out-String | Invoke-Expression`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(shells, args[0]) {
				return usageError{errors.New("completion wants bash, zsh, fish or powershell")}
			}
			return nil
		},
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			return writeCompletion(cmd.OutOrStdout(), cmd.Root(), args[0])
		},
	}
}

func writeCompletion(out io.Writer, root *cobra.Command, shell string) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(out, true)
	case "zsh":
		return root.GenZshCompletion(out)
	case "fish":
		return root.GenFishCompletion(out, true)
	}
	return root.GenPowerShellCompletionWithDesc(out)
}

// completionLimit is how long the service may take while somebody types.
const completionLimit = time.Second

// completeProfiles offers the person's profiles, the system's and those that only the
// service knows; else a file.
func completeProfiles(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []cobra.Completion
	seen := map[string]bool{}
	add := func(name, gateway string) {
		if !seen[name] {
			seen[name] = true
			out = append(out, cobra.CompletionWithDesc(name, gateway))
		}
	}
	for _, e := range profile.List() {
		if e.Profile != nil {
			add(e.Name, e.Profile.Gateway.String())
			e.Profile.Clear()
		}
	}
	api := globalsOf(cmd).service()
	defer api.Close()
	ctx, cancel := context.WithTimeout(context.Background(), completionLimit)
	defer cancel()
	infos, _ := api.Profiles(ctx)
	for _, i := range infos {
		add(i.Name, i.Gateway)
	}
	return out, cobra.ShellCompDirectiveDefault
}

// completeOwn offers the person's own profiles.
func completeOwn(_ *cobra.Command, args []string, _ string) (out []cobra.Completion, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, e := range profile.List() {
		if !e.System {
			out = append(out, e.Name)
		}
		if e.Profile != nil {
			e.Profile.Clear()
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeTunnels offers the connections there are.
func completeTunnels(cmd *cobra.Command, args []string, _ string) (out []cobra.Completion, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	api := globalsOf(cmd).service()
	defer api.Close()
	ctx, cancel := context.WithTimeout(context.Background(), completionLimit)
	defer cancel()
	s, _ := api.Snapshot(ctx)
	for _, t := range s.Tunnels {
		out = append(out, cobra.CompletionWithDesc(t.Profile, string(t.State)))
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
