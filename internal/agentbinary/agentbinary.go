// Package agentbinary builds the stock agent, for programs that run and measure it.
package agentbinary

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build builds the agent as it is shipped: static, stripped, and without the paths of
// this machine. It returns the path of the binary, which is in dir. The go command has to
// be on the PATH, and the working directory in this module.
func Build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "agent")
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "github.com/lodastack/agent/cmd/agent")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the agent: %w\n%s", err, out)
	}
	return binary, nil
}
