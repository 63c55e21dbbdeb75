package stock_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/agenttest"
	"github.com/lodastack/agent/stock"
)

func queue() agent.Option {
	return agent.WithCollector("QUEUE", 10*time.Second, agent.CollectorFunc(
		func(context.Context) ([]agent.Metric, error) {
			return []agent.Metric{{Name: "queue.depth", Value: 7}}, nil
		}))
}

func TestOpenedAgentHasACollectorOfOnesOwn(t *testing.T) {
	h := newHost(t)
	a, err := stock.Open(h.config, queue())
	require.NoError(t, err)
	require.Equal(t, h.listen, a.Config.Agent.Listen)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()

	consumer, err := h.nsqd.Consume("collect.web.shop", "test")
	require.NoError(t, err)
	defer consumer.Close()
	wanted := []string{"queue.depth,host=h1 value=7 ", "cpu.idle,host=h1 value="}
	for len(wanted) > 0 {
		select {
		case message := <-consumer.Messages:
			wanted = slices.DeleteFunc(wanted, func(point string) bool { return strings.Contains(string(message), point) })
		case <-time.After(5 * time.Second):
			t.Fatalf("missing: %q", wanted)
		}
	}
	cancel()
	require.NoError(t, <-done)
	require.NoError(t, a.Close())
}

func TestOpenNamesWhatIsWrongWithTheFile(t *testing.T) {
	_, err := stock.Open("testdata/wrong/missing.toml")
	require.ErrorContains(t, err, "missing.toml:2: agent.registryaddr: missing")
}

func TestNothingOfAnAgentStaysOpen(t *testing.T) {
	for name, try := range map[string]func(t *testing.T, h *host){
		"closed without a run": func(t *testing.T, h *host) {
			a, err := stock.Open(h.config)
			require.NoError(t, err)
			require.FileExists(t, h.dir+"/plugins/.agent/spool/lock")
			_, err = stock.Open(h.config)
			require.ErrorContains(t, err, "is in use by process", "while it is open")
			require.NoError(t, a.Close())
			require.NoError(t, a.Close(), "once more")
		},
		"closed after a run": func(t *testing.T, h *host) {
			a, err := stock.Open(h.config)
			require.NoError(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			require.NoError(t, a.Run(ctx))
			require.NoError(t, a.Close())
		},
		"an option is wrong": func(t *testing.T, h *host) {
			_, err := stock.Open(h.config, agent.WithBufferSize(0))
			require.EqualError(t, err, "make an agent: WithBufferSize: 0 points are too few")
			_, err = stock.NewService(h.config, agent.WithBufferSize(0))
			require.EqualError(t, err, "make an agent: WithBufferSize: 0 points are too few")
		},
		"a part cannot be made": func(t *testing.T, h *host) {
			spool := h.dir + "/plugins/.agent/spool"
			require.NoError(t, os.MkdirAll(filepath.Dir(spool), 0o700))
			require.NoError(t, os.WriteFile(spool, nil, 0o600))
			_, err := stock.Open(h.config)
			require.ErrorContains(t, err, spool)
			_, err = stock.NewService(h.config)
			require.ErrorContains(t, err, spool)
			require.NoError(t, os.Remove(spool))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			nsqd := "github.com/nsqio/nsq/nsqd.(*NSQD)." // that of the test, which may still be starting
			others := []goleak.Option{
				goleak.IgnoreCurrent(),
				goleak.IgnoreAnyFunction(nsqd + "queueScanLoop"), goleak.IgnoreAnyFunction(nsqd + "queueScanWorker"),
				goleak.IgnoreAnyFunction(nsqd + "lookupLoop"),
			}
			try(t, h)
			goleak.VerifyNone(t, others...)
			again, err := stock.Open(h.config)
			require.NoError(t, err, "no lock is left")
			require.NoError(t, again.Close())
		})
	}
}

// ownParts are parts of an embedder.
type ownParts struct {
	registry *agenttest.Registry
	output   *agenttest.Output
	store    *agenttest.Store
	runner   *agenttest.PluginRunner
}

func newOwnParts() ownParts {
	return ownParts{
		registry: agenttest.NewRegistry(agent.Assignment{Namespace: "own"}),
		output:   agenttest.NewOutput(),
		store:    agenttest.NewStore(),
		runner:   agenttest.NewPluginRunner(),
	}
}

func (p ownParts) options() []agent.Option {
	return []agent.Option{agent.WithRegistry(p.registry), agent.WithOutput(p.output), agent.WithStore(p.store), agent.WithPluginRunner(p.runner)}
}

func TestPartsThatAreGivenAreNotMade(t *testing.T) {
	h := newHost(t)
	h.write(t, "agent.conf", fmt.Sprintf("agent.datadir = \"%s/data\"\nagent.pluginsdir = \"%s/plugins\"\n", h.dir, h.dir))
	_, err := stock.Open(h.config)
	require.ErrorContains(t, err, "agent.registryaddr: missing")
	require.ErrorContains(t, err, "output.servers: missing")

	own := newOwnParts()
	a, err := stock.Open(h.config, append(own.options(), queue())...)
	require.NoError(t, err, "what only other parts need may be missing")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	own.output.WaitForNamed(t, "queue.depth", 1)
	require.NoDirExists(t, h.dir+"/plugins")
	require.NoDirExists(t, h.dir+"/data/spool")
	cancel()
	require.NoError(t, <-done)
	require.NoError(t, a.Close())
}

func TestValuesOfPartsThatAreNotMadeAreStillJudged(t *testing.T) {
	h := newHost(t)
	h.write(t, "agent.conf", "agent.registryaddr = \"ftp://registry\"\noutput.servers = [ \"nsqd\" ]\n")
	_, err := stock.Open(h.config, newOwnParts().options()...)
	require.ErrorContains(t, err, "agent.conf:1: agent.registryaddr: ")
	require.ErrorContains(t, err, `agent.conf:2: output.servers: "nsqd" is not an address`)
}

func TestTwoPartsOfOneKindAreRefused(t *testing.T) {
	h := newHost(t)
	_, err := stock.Open(h.config, append(newOwnParts().options(), newOwnParts().options()...)...)
	for _, want := range []string{
		"WithRegistry: there is a registry already", "WithOutput: there is an output already",
		"WithPluginRunner: there is a plugin runner already", "WithStore: there is a store already",
	} {
		require.ErrorContains(t, err, want)
	}
}
