//go:build linux

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/stock"
)

// orders are what the process of the agents is told, as a JSON document.
type orders struct {
	Agents   int
	Dir      string // of their states and spools
	Registry string
	Git      string   // address of a fleet repository, which every second agent has; empty: none has
	Servers  []string // nsqd
	Update   time.Duration
}

// report is what the process of the agents answers to each line of its input.
type report struct {
	// Namespaces has how many agents are in each.
	Namespaces map[string]int
	// Answered has when each agent last had a good answer of the registry, the oldest first.
	Answered []time.Time
	// How many agents have no registry or output.
	RegistryFails, OutputFails   int
	Accepted, Delivered, Waiting int64
	Dropped                      int64
	Heap, Stacks                 uint64 // bytes
	Goroutines                   int
}

// play runs the agents until its input ends. It answers each line with a report, and the end
// with a last one.
func play(o orders, input io.Reader, output io.Writer) error {
	kinds, err := record()
	if err != nil {
		return err
	}
	agents := make([]*agent.Agent, o.Agents)
	for i := range agents {
		if agents[i], err = newAgent(o, i, kinds); err != nil {
			return fmt.Errorf("make agent %d: %w", i, err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := make([]error, len(agents)) // each goroutine has its own
	var all sync.WaitGroup
	for i, a := range agents {
		all.Go(func() { ended[i] = a.Run(ctx) })
	}
	answers := json.NewEncoder(output)
	for lines := bufio.NewScanner(input); lines.Scan(); {
		if err := answers.Encode(reportOf(agents)); err != nil {
			return err
		}
	}
	stop()
	all.Wait()
	failed := slices.DeleteFunc(ended, func(err error) bool { return err == nil })
	if len(failed) > 0 {
		err = fmt.Errorf("%d agents did not stop cleanly; the first: %w", len(failed), failed[0])
	}
	return errors.Join(err, answers.Encode(reportOf(agents)))
}

// shutdownTimeout is longer than that of a real agent, which has a processor of its own.
const shutdownTimeout = 2 * time.Minute

// newAgent makes an agent with real parts and replayed measurements.
func newAgent(o orders, i int, kinds []recording) (*agent.Agent, error) {
	dir := filepath.Join(o.Dir, strconv.Itoa(i))
	asked := stock.RegistryConfig{Address: o.Registry}
	if o.Git != "" && i%2 == 1 {
		asked.Address, asked.DataDir = o.Git, filepath.Join(dir, "fleet")
		asked.Git.PluginsDir = filepath.Join(dir, "plugins")
	}
	registry, err := stock.Registry(asked)
	if err != nil {
		return nil, err
	}
	output, err := stock.NSQOutput(stock.NSQConfig{Servers: o.Servers, TopicPrefix: "collect."})
	if err != nil {
		return nil, err
	}
	store, err := stock.Spool(stock.SpoolConfig{Dir: filepath.Join(dir, "spool")})
	if err != nil {
		return nil, err
	}
	options := []agent.Option{
		agent.WithHostname(fmt.Sprintf("host-%05d.example.com", i)),
		agent.WithRegistry(registry),
		agent.WithOutput(output),
		agent.WithStore(store),
		agent.WithStateDir(filepath.Join(dir, "state")),
		agent.WithUpdateInterval(o.Update),
		agent.WithShutdownTimeout(shutdownTimeout),
		agent.WithLogger(slog.New(slog.DiscardHandler)),
	}
	for _, kind := range kinds {
		options = append(options, agent.WithCollector(kind.name, kind.every, kind))
	}
	return agent.New(options...)
}

func reportOf(agents []*agent.Agent) report {
	r := report{Namespaces: make(map[string]int)}
	for _, a := range agents {
		s := a.Status()
		for _, ns := range s.Namespaces {
			r.Namespaces[ns]++
		}
		r.Answered = append(r.Answered, s.Registry.Answered)
		if s.Registry.Error != "" {
			r.RegistryFails++
		}
		if s.Output.Error != "" {
			r.OutputFails++
		}
		total := s.Output.Total
		r.Accepted += total.Accepted
		r.Delivered += total.Delivered
		r.Waiting += total.Waiting
		for _, points := range total.Dropped {
			r.Dropped += points
		}
	}
	slices.SortFunc(r.Answered, time.Time.Compare)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	r.Heap, r.Stacks = memory.HeapAlloc, memory.StackInuse
	r.Goroutines = runtime.NumGoroutine()
	return r
}
