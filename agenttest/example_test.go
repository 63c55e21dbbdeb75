package agenttest_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
)

// ordersCollector is the collector under test.
func ordersCollector(orders func() int) agent.Collector {
	return agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
		return []agent.Metric{{Name: "orders", Value: orders()}}, nil
	})
}

// TestOrdersOutliveAnOutage is a test with fakes. In a bubble, ten minutes take no
// time.
func TestOrdersOutliveAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		output := agenttest.NewOutput()
		a, err := agent.New(
			agent.WithRegistry(agenttest.NewRegistry(agent.Assignment{Namespace: "shop"})),
			agent.WithOutput(output),
			agent.WithCollector("ORDERS", time.Minute, ordersCollector(func() int { return 7 })),
		)
		require.NoError(t, err)
		output.Hang() // before the agent runs: the first round comes at once
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- a.Run(ctx) }()

		time.Sleep(10 * time.Minute)
		require.Empty(t, output.Points())
		output.Heal()
		output.WaitForNamed(t, "orders", 10)

		stop()
		require.NoError(t, <-ended)
		require.Empty(t, output.Violations())
	})
}

// Fakes are parts like any other. See TestOrdersOutliveAnOutage in this file for
// a whole test.
func Example() {
	output := agenttest.NewOutput()
	a, err := agent.New(agent.WithRegistry(agenttest.NewRegistry()), agent.WithOutput(output))
	if err != nil {
		fmt.Println(err)
		return
	}
	order := []agent.Metric{{Name: "orders", Value: 1}}
	output.FailTimes(1, fmt.Errorf("away"))
	fmt.Println(a.Send(context.Background(), "shop", order))
	fmt.Println(a.Send(context.Background(), "shop", order))
	fmt.Println(len(output.Attempts()), len(output.Points()), output.Points()[0].Name)
	// Output:
	// send 1 metrics to namespace shop: away
	// <nil>
	// 2 1 orders
}
