package agent_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/lodastack/agent"
)

// byName is a registry that goes by the host's name: web-3 belongs to the
// namespace shop.web.
type byName string

func (company byName) Assignments(_ context.Context, host agent.Host) ([]agent.Assignment, error) {
	service, _, found := strings.Cut(host.Hostname, "-")
	if !found {
		// After an error, the agent goes on with what it knew.
		return nil, fmt.Errorf("the name of host %s has no service in it", host.Hostname)
	}
	return []agent.Assignment{{
		Namespace: string(company) + "." + service,
		Intervals: map[string]time.Duration{"CPU": 5 * time.Second},
		Plugins:   []agent.Plugin{{Name: "PLUGIN.backup", Repo: "ops/backup", Interval: time.Hour}},
	}}, nil
}

// A registry of one's own.
func ExampleRegistry() {
	a, err := agent.New(
		agent.WithHostname("web-3"),
		agent.WithRegistry(byName("shop")),
		agent.WithOutput(agent.NewWriterOutput(os.Stdout)),
	)
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	<-a.Ready()
	fmt.Println(a.Namespaces(), a.Plugins()[0].Name)
	fmt.Println(a.Status().Registry.Problems)
	stop()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output:
	// [shop.web] PLUGIN.backup
	// [1 plugins are assigned, but this agent has no plugin runner]
}
