package stock

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/lodastack/agent"
)

// lent returns the embedder's parts for the successive agents of a service: an agent does
// not close a part that the next one needs.
func lent(given agent.Parts) agent.Parts {
	if given.Output != nil {
		given.Output = lentOutput{given.Output}
	}
	if given.Store != nil {
		given.Store = &lentStore{Store: given.Store}
	}
	if given.PluginRunner != nil {
		given.PluginRunner = lentRunner{given.PluginRunner}
	}
	return given
}

// closeLent closes the parts that were lent, and takes a second at most.
func closeLent(given agent.Parts) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- closeParts(ctx, given) }()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("close the parts of the agent: %w", ctx.Err())
	}
}

// closeParts returns a panic of a part as an error, as the agent itself does.
func closeParts(ctx context.Context, given agent.Parts) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = errors.Join(err, &agent.PanicError{Value: value, Stack: string(debug.Stack())})
		}
	}()
	if given.Output != nil {
		err = given.Output.Close(ctx)
	}
	if given.Store != nil {
		err = errors.Join(err, given.Store.Close(ctx))
	}
	if runner, ok := given.PluginRunner.(agent.Closer); ok {
		err = errors.Join(err, runner.Close(ctx))
	}
	return err
}

// lentOutput is an output that somebody else closes. It also inspects the output.
type lentOutput struct{ agent.Output }

func (lentOutput) Close(context.Context) error { return nil }

func (o lentOutput) InspectOutput() (details agent.OutputDetails) {
	if inspector, ok := o.Output.(agent.OutputInspector); ok {
		return inspector.InspectOutput()
	}
	return details
}

// lentStore is a store that somebody else closes. A call that an agent has given up ends
// before the next agent makes one.
type lentStore struct {
	agent.Store
	calling sync.Mutex
}

func (*lentStore) Close(context.Context) error { return nil }

func (s *lentStore) Waiting() map[string]int64 {
	s.calling.Lock()
	defer s.calling.Unlock()
	return s.Store.Waiting()
}

func (s *lentStore) Put(ctx context.Context, batches []agent.Batch) error {
	s.calling.Lock()
	defer s.calling.Unlock()
	return s.Store.Put(ctx, batches)
}

func (s *lentStore) Next(ctx context.Context) ([]agent.Batch, error) {
	s.calling.Lock()
	defer s.calling.Unlock()
	return s.Store.Next(ctx)
}

func (s *lentStore) Done(ctx context.Context, rest []agent.Batch) error {
	s.calling.Lock()
	defer s.calling.Unlock()
	return s.Store.Done(ctx, rest)
}

func (s *lentStore) Rewind() {
	s.calling.Lock()
	defer s.calling.Unlock()
	s.Store.Rewind()
}

func (s *lentStore) Losses() []agent.Loss {
	s.calling.Lock()
	defer s.calling.Unlock()
	return s.Store.Losses()
}

// lentRunner is a runner without its Close. It has all other abilities of the runner.
type lentRunner struct{ agent.PluginRunner }

func (r lentRunner) InspectPlugin(p agent.Plugin) (details agent.PluginDetails) {
	if inspector, ok := r.PluginRunner.(agent.PluginInspector); ok {
		return inspector.InspectPlugin(p)
	}
	return details
}

func (r lentRunner) Remove(ctx context.Context, p agent.Plugin) error {
	if remover, ok := r.PluginRunner.(agent.PluginRemover); ok {
		return remover.Remove(ctx, p)
	}
	return nil
}

func (r lentRunner) RunDaemon(ctx context.Context, p agent.Plugin, args []string, output func(lines []byte) error) error {
	if daemons, ok := r.PluginRunner.(agent.PluginDaemonRunner); ok {
		return daemons.RunDaemon(ctx, p, args, output)
	}
	return &agent.RunError{Result: agent.RunStart, Err: errors.New("the runner of this agent cannot run daemons")}
}

func (r lentRunner) Rollback(ctx context.Context, p agent.Plugin) error {
	if rollbacker, ok := r.PluginRunner.(agent.PluginRollbacker); ok {
		return rollbacker.Rollback(ctx, p)
	}
	return fmt.Errorf("%w: its runner does not keep any", agent.ErrNoEarlierVersion)
}
