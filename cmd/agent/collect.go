package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/stock"
)

// collectPatience is the timeout of a collection. registryPatience is the part
// of it for the registry's answer about ports and processes.
const (
	collectPatience  = 30 * time.Second
	registryPatience = 5 * time.Second
)

func collectCommand(c *call) *cobra.Command {
	command := &cobra.Command{
		Use: "collect [-f FILE] [--root DIR] [KIND…]", Short: "measure once and print line protocol", DisableFlagsInUseLine: true,
		Long: "Measures this host once, all kinds or the named ones, and prints the points as line protocol. " +
			"It needs neither a running agent nor a config, and delivers nothing.",
		Example:           "agent collect CPU MEM\nagent collect --root /host FS",
		ValidArgsFunction: completeKinds,
		Annotations:       exitCodes("0  all kinds were measured", "1  not everything could be measured", "2  there is no such kind, or the command line is wrong"),
	}
	c.configFlag(command)
	root := command.Flags().String("root", "", "measure the host that is mounted at `DIR`")
	command.RunE = func(_ *cobra.Command, kinds []string) error { return collect(c, *root, kinds) }
	return command
}

func completeKinds(_ *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, kind := range stock.HostKinds(stock.HostConfig{}) {
		if !slices.Contains(given, kind.Name) {
			names = append(names, kind.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func collect(c *call, root string, names []string) error {
	cfg, err := stock.ReadConfigValues(c.config)
	hasConfig := err == nil
	if err != nil && (c.configGiven || !errors.Is(err, fs.ErrNotExist)) {
		return wrongConfig(err)
	}
	if root != "" {
		if cfg.Collect.Root, err = hostRoot(root); err != nil {
			return err
		}
	}
	kinds, err := wantedKinds(c.config, cfg, names)
	if err != nil {
		return err
	}
	registry := &itemRegistry{kinds: kinds, stderr: c.stderr}
	if hasConfig && slices.ContainsFunc(kinds, needsItems) {
		if registry.inner, err = cfg.Registry(slog.New(slog.DiscardHandler)); err != nil {
			return err
		}
	}
	complete, err := collectOnce(c, cfg, kinds, registry)
	if err == nil && !complete && len(names) > 0 {
		err = errors.New("not everything could be measured")
	}
	return err
}

// hostRoot returns the absolute path of a mounted host.
func hostRoot(dir string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, "proc")); err != nil {
		return "", usageError{fmt.Sprintf("no host is mounted at %s: %v", dir, err)}
	}
	return filepath.Abs(dir)
}

// wantedKinds returns the kinds with these names, or all that the config does
// not switch off.
func wantedKinds(config string, cfg stock.Config, names []string) ([]stock.HostKind, error) {
	host := cfg.HostConfig()
	all := stock.HostKinds(host)
	if len(names) == 0 {
		return all, nil
	}
	var wanted []stock.HostKind
	for _, name := range names {
		i := slices.IndexFunc(all, func(kind stock.HostKind) bool { return strings.EqualFold(kind.Name, name) })
		if slices.Contains(host.Disable, strings.ToUpper(name)) {
			return nil, usageError{fmt.Sprintf("the kind %s is switched off in %s, by collect.disable", strings.ToUpper(name), config)}
		}
		if i < 0 {
			var known []string
			for _, kind := range all {
				known = append(known, kind.Name)
			}
			return nil, usageError{fmt.Sprintf("there is no kind %q here; there are %s", name, strings.Join(known, " "))}
		}
		if !slices.ContainsFunc(wanted, func(kind stock.HostKind) bool { return kind.Name == all[i].Name }) {
			wanted = append(wanted, all[i])
		}
	}
	return wanted, nil
}

// needsItems reports whether the registry assigns what to measure.
func needsItems(kind stock.HostKind) bool { return kind.Assigned != nil }

// collectOnce runs an agent until each of the kinds has been collected once, so
// that it prints what an agent would send. It prints failures to standard
// error.
func collectOnce(c *call, cfg stock.Config, kinds []stock.HostKind, registry agent.Registry) (complete bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), collectPatience)
	defer cancel()
	options := []agent.Option{
		agent.WithRegistry(registry),
		agent.WithOutput(agent.NewWriterOutput(c.stdout)),
		agent.WithBufferSize(1_000_000),
	}
	if cfg.Agent.Hostname != "" {
		options = append(options, agent.WithHostname(cfg.Agent.Hostname))
	}
	var rest atomic.Int64
	done := func() {
		if rest.Add(-1) == 0 {
			cancel()
		}
	}
	rest.Store(int64(len(kinds)))
	onces := make([]*once, len(kinds))
	for i, kind := range kinds {
		onces[i] = &once{done: done}
		options = append(options, onces[i].option(kind))
	}
	a, err := agent.New(options...)
	if err != nil {
		return false, err
	}
	if err := a.Run(ctx); err != nil {
		return false, err
	}
	for _, problem := range a.Status().Registry.Problems {
		fmt.Fprintf(c.stderr, "agent collect: %s\n", problem)
	}
	complete = true
	for i, kind := range kinds {
		if err := onces[i].failure(); err != nil {
			complete = false
			fmt.Fprintf(c.stderr, "agent collect: %s: %v\n", kind.Name, err)
		}
	}
	return complete, nil
}

// itemRegistry assigns one namespace with all ports and processes that inner
// assigns.
type itemRegistry struct {
	inner  agent.Registry // nil: no items
	kinds  []stock.HostKind
	stderr io.Writer
}

func (r *itemRegistry) Assignments(ctx context.Context, host agent.Host) ([]agent.Assignment, error) {
	all := agent.Assignment{Namespace: "collect", Intervals: make(map[string]time.Duration)}
	for _, kind := range r.kinds {
		all.Intervals[kind.Name] = time.Minute
	}
	if r.inner != nil {
		ctx, cancel := context.WithTimeout(ctx, registryPatience)
		defer cancel()
		assignments, err := r.inner.Assignments(ctx, host)
		if err != nil {
			fmt.Fprintf(r.stderr, "agent collect: ports and processes: %v\n", err)
		}
		for _, assignment := range assignments {
			for _, problem := range assignment.Problems {
				fmt.Fprintf(r.stderr, "agent collect: namespace %s: %s\n", assignment.Namespace, problem)
			}
			all.Ports = append(all.Ports, assignment.Ports...)
			all.Processes = append(all.Processes, assignment.Processes...)
		}
	}
	return []agent.Assignment{all}, nil
}

// once makes a collector collect only once.
type once struct {
	done func() // called after the first collection

	mu  sync.Mutex
	ran bool  // guarded by mu
	err error // guarded by mu
}

// do makes only the first call of collect.
func (o *once) do(collect func() error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ran {
		return
	}
	o.ran = true
	o.err = errors.New("it panicked") // replaced when it returns
	defer o.done()
	o.err = collect()
}

// failure returns why the collection is not complete.
func (o *once) failure() error {
	if !o.mu.TryLock() {
		return fmt.Errorf("has not finished within %v", collectPatience)
	}
	defer o.mu.Unlock()
	if !o.ran {
		return errors.New("has not begun")
	}
	return o.err
}

// option returns the option for the kind's collector.
func (o *once) option(kind stock.HostKind) agent.Option {
	if needsItems(kind) {
		return agent.WithAssignmentCollector(kind.Name, time.Minute, onceAssigned{o, kind.Assigned})
	}
	return agent.WithCollector(kind.Name, time.Minute, agent.CollectorFunc(func(ctx context.Context) (metrics []agent.Metric, err error) {
		o.do(func() error {
			metrics, err = kind.Collector.Collect(ctx)
			return err
		})
		return metrics, err
	}))
}

// onceAssigned is once for a collector whose items the registry assigns.
type onceAssigned struct {
	once      *once
	collector agent.AssignmentCollector
}

func (o onceAssigned) CollectAssigned(ctx context.Context, assignments []agent.Assignment) (batches []agent.Batch, err error) {
	o.once.do(func() error {
		batches, err = o.collector.CollectAssigned(ctx, assignments)
		return err
	})
	return batches, err
}
