// Argo CD's own code as one program, for tests. Argo CD's Lua runs the health checks, and Argo CD's controllers do the syncs. The
// program has no user interface and no API server: tests use the Application objects.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	applicationController "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	applicationSetController "github.com/argoproj/argo-cd/v3/cmd/argocd-applicationset-controller/commands"
	repoServer "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	"github.com/spf13/cobra"
)

func main() {
	program := &cobra.Command{Use: filepath.Base(os.Args[0]), SilenceUsage: true, SilenceErrors: true}
	program.AddCommand(
		named("application-controller", applicationController.NewCommand()),
		named("applicationset-controller", applicationSetController.NewCommand()),
		named("repo-server", repoServer.NewCommand()),
		healthCommand(),
		redisCommand(),
	)
	if err := program.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func named(name string, command *cobra.Command) *cobra.Command {
	command.Use = name
	return command
}
