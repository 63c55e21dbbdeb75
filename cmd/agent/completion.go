package main

import (
	"github.com/spf13/cobra"
)

func completionCommand(c *call) *cobra.Command {
	return &cobra.Command{
		Use: "completion bash|zsh|fish", Short: "print the completions for a shell", DisableFlagsInUseLine: true,
		Long: "Prints the script that completes the command line in a shell. The packages install it.",
		Example: "agent completion bash > /etc/bash_completion.d/agent\n" +
			"agent completion zsh > \"${fpath[1]}/_agent\"\n" +
			"agent completion fish > ~/.config/fish/completions/agent.fish",
		Args:      arguments(1, 1),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(command *cobra.Command, args []string) error {
			root := command.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(c.stdout, true)
			case "zsh":
				return root.GenZshCompletion(c.stdout)
			case "fish":
				return root.GenFishCompletion(c.stdout, true)
			}
			return usageError{"there are completions for bash, zsh and fish"}
		},
	}
}

// oneOf completes the value of a flag.
func oneOf(values ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}
