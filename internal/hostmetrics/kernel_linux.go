package hostmetrics

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/procfs"
)

// kernel is the kind KERNEL: logins, and the entropy of the kernel's random numbers.
type kernel struct {
	logins  *logins
	entropy procfs.File
}

func newKernel(c Config) agent.Collector {
	return &kernel{newLogins(c), procfs.NewFile(c.Root, "proc/sys/kernel/random/entropy_avail")}
}

// Collect implements [agent.Collector].
func (k *kernel) Collect(ctx context.Context) ([]agent.Metric, error) {
	p, err := k.logins.Collect(ctx)
	all := points(p)
	err = errors.Join(err, k.addEntropy(&all))
	return all, err
}

// addEntropy adds how many bits the kernel knows to be random, see random(4).
func (k *kernel) addEntropy(p *points) error {
	content, err := k.entropy.Read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the entropy: %w", err)
	}
	addNumber(p, "kernel.entropy", procfs.NewWords(content))
	return nil
}
