//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/lodastack/agent/internal/registrytest"
)

// fault does something to the world while the agent p runs, and returns what it did.
type fault func(random *rand.Rand, w *world, p *process) (done string, err error)

// faults are chosen from with equal probability.
func faults() []fault {
	return []fault{
		nothing,
		disturbBroker, disturbBroker, disturbBroker,
		disturbBrokers, disturbBrokers,
		disturbRegistry, disturbRegistry,
		disturbDisk, disturbDisk,
		reload,
		runPlugin,
	}
}

func nothing(*rand.Rand, *world, *process) (string, error) { return "", nil }

// disturbBroker stops or freezes an nsqd, or ends that.
func disturbBroker(random *rand.Rand, w *world, _ *process) (string, error) {
	i := random.IntN(len(w.brokers))
	b := w.brokers[i]
	if b.state != up {
		return fmt.Sprintf("nsqd %d: back", i), b.heal()
	}
	done, err := b.takeAway(random)
	return fmt.Sprintf("nsqd %d: %s", i, done), err
}

// disturbBrokers stops or freezes all nsqds.
func disturbBrokers(random *rand.Rand, w *world, _ *process) (string, error) {
	for _, b := range w.brokers {
		if b.state == up {
			if _, err := b.takeAway(random); err != nil {
				return "nsqd: none left", err
			}
		}
	}
	return "nsqd: none left", nil
}

func disturbRegistry(random *rand.Rand, w *world, _ *process) (string, error) {
	faults := map[string]registrytest.Fault{
		"status 500":           registrytest.Status(500),
		"httpstatus 500":       registrytest.HTTPStatus(500),
		"a page of HTML":       registrytest.HTML(),
		"half an answer":       registrytest.HalfJSON(),
		"empty object":         registrytest.Body(`{"httpstatus":200,"data":{},"msg":""}`),
		"hang up":              registrytest.HangUp(),
		"hang":                 registrytest.Hang(),
		"stall":                registrytest.Stall(),
		"slow":                 registrytest.Slow(time.Second),
		"lose the connection":  registrytest.Disconnect(),
		"redirect without end": registrytest.RedirectLoop(),
	}
	if random.IntN(2) == 0 {
		w.registry.SetFault(nil)
		return "registry: well", nil
	}
	name := pick(random, faults)
	w.registry.SetFault(faults[name])
	return "registry: " + name, nil
}

// disturbDisk fills the disk, or makes room again.
func disturbDisk(_ *rand.Rand, w *world, _ *process) (string, error) {
	switch {
	case w.disk == nil:
		return "", nil
	case w.disk.full:
		return "disk: room", w.disk.free()
	}
	return "disk: full", w.disk.fill()
}

func reload(_ *rand.Rand, _ *world, p *process) (string, error) {
	return "agent: reload", p.command.Process.Signal(syscall.SIGHUP)
}

// runPlugin calls the plugin, which may be running already or not be installed yet. Only a
// call that hangs is a fault.
func runPlugin(_ *rand.Rand, _ *world, p *process) (string, error) {
	_, _ = p.get("/plugins/run?ns=" + ownNamespace + "&repo=" + pluginPath)
	return "plugin: call", nil
}
