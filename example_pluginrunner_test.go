package agent_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/lodastack/agent"
)

// functions runs functions of the program as plugins: nothing is fetched.
type functions map[string]func(ctx context.Context, args []string) (string, error)

func (f functions) Install(_ context.Context, p agent.Plugin) error {
	if f[p.Repo] == nil {
		return fmt.Errorf("there is no function for %s", p.Repo)
	}
	return nil
}

func (f functions) Update(ctx context.Context, p agent.Plugin) error { return f.Install(ctx, p) }

func (f functions) Run(ctx context.Context, p agent.Plugin, args []string) ([]byte, error) {
	stdout, err := f[p.Repo](ctx, args)
	if err != nil {
		return []byte(stdout), &agent.RunError{Result: agent.RunExit, ExitCode: 1, Err: err}
	}
	return []byte(stdout), nil
}

// A plugin runner of one's own, and a run on demand.
func ExamplePluginRunner() {
	runner := functions{"ops/greet": func(_ context.Context, args []string) (string, error) {
		if len(args) == 0 {
			return "", errors.New("greet whom?")
		}
		return "hello " + args[0], nil
	}}
	a, err := agent.New(
		agent.WithRegistry(agent.RegistryFunc(func(context.Context, agent.Host) ([]agent.Assignment, error) {
			return []agent.Assignment{{
				Namespace: "shop",
				Plugins:   []agent.Plugin{{Name: "PLUGIN.greet", Repo: "ops/greet"}}, // on demand only
			}}, nil
		})),
		agent.WithOutput(agent.NewWriterOutput(io.Discard)),
		agent.WithPluginRunner(runner),
	)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	<-a.Ready()

	if err := a.UpdatePlugin(ctx, "shop", "ops/greet"); err != nil { // a moment after Ready it may still be installed
		log.Fatal(err)
	}
	result, err := a.RunPlugin(ctx, "shop", "ops/greet", []string{"world"})
	fmt.Println(result.Result, string(result.Stdout), err)
	result, err = a.RunPlugin(ctx, "shop", "ops/greet", nil)
	fmt.Println(result.Result, err)
	stop()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// ok hello world <nil>
	// exit greet whom?
}
