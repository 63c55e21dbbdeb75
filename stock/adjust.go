package stock

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/configfile"
)

// values are the keys of a config with their values, as TOML has them.
type values map[string]string

// readValues reads the config of an agent with the given parts.
func readValues(path string, given agent.Parts) (Config, values, error) {
	file, err := configfile.Read(path)
	if err != nil {
		return defaultConfig(), nil, err
	}
	file.KeepSettings()
	cfg, err := takeConfig(file, path, true, given)
	read := values{}
	for _, s := range file.Settings() {
		read[s.Key] = s.Value
	}
	return cfg, read, err
}

// changed returns the keys that have another value in next, sorted.
func (v values) changed(next values) []string {
	all := maps.Clone(v)
	maps.Copy(all, next)
	maps.DeleteFunc(all, func(key, _ string) bool {
		was, had := v[key]
		is, has := next[key]
		return had == has && was == is
	})
	return slices.Sorted(maps.Keys(all))
}

// The keys that change while the agent runs. docs/configuration.md has them, too.
var (
	inPlaceSections = []string{"tags", "policy", "log", "statsd"}
	settingKeys     = []string{
		"agent.updateinterval", "output.buffersize",
		"api.tokenfile", "api.localcontrol", "api.hosts", "api.namespaces", "api.maxbody",
	}
	// outputKeys make another output.
	outputKeys = []string{
		"output.servers", "output.format", "output.topicprefix", "output.maxmessagesize",
		"output.tls", "output.tlsca", "output.tlscert", "output.tlskey", "output.tlsservername", "output.authsecretfile",
	}
	// serverKeys make another server of the HTTP API.
	serverKeys = []string{
		"agent.listen", "api.socket", "api.tlscert", "api.tlskey", "api.clientca",
		"api.headertimeout", "api.readtimeout", "api.writetimeout", "api.idletimeout", "api.maxconnections",
	}
)

// inPlace reports whether the key changes while the agent runs.
func (c Config) inPlace(key string) bool {
	if key == "policy.signers" && slices.ContainsFunc(c.Agent.RegistryAddr, IsFleetRepository) {
		return false // the registry has them, too
	}
	section, _, _ := strings.Cut(key, ".")
	return slices.Contains(inPlaceSections, section) ||
		slices.Contains(settingKeys, key) || slices.Contains(outputKeys, key) || slices.Contains(serverKeys, key)
}

// changesAny reports whether one of the changed keys is among keys.
func changesAny(changed, keys []string) bool {
	return slices.ContainsFunc(changed, func(key string) bool { return slices.Contains(keys, key) })
}

// adjust puts cfg in force while the agent runs on. First it prepares everything that can
// fail, so that nothing has changed if something does. Files that the config names are read
// again even if no key has changed, as far as this ends nothing.
func (s *Service) adjust(old *generation, cfg Config, values values, changed []string) (err error) {
	next := *old
	next.config, next.values = cfg, values
	var undo []func()
	defer func() {
		for _, f := range undo {
			if err != nil {
				f()
			}
		}
	}()

	adoptPolicy := func() {}
	if old.agent.runner != nil {
		if adoptPolicy, err = old.agent.runner.PreparePolicy(cfg.Policy.policy()); err != nil {
			return err
		}
	}
	var output agent.Output
	hasFiles := cfg.Output.TLS || cfg.Output.AuthSecretFile != ""
	if old.agent.output != nil && (hasFiles || changesAny(changed, outputKeys)) {
		if output, err = outputOf(cfg, s.log.logger); err != nil {
			return err
		}
		undo = append(undo, func() { _ = closeOutput(output) }) // it has not connected yet
	}
	otherServer := cfg.API.TLSCert != "" || changesAny(changed, serverKeys)
	if otherServer {
		prepared, err := s.prepare(cfg, values, old.listeners)
		if err != nil {
			return err
		}
		next.listeners, next.security = prepared.listeners, prepared.security
		undo = append(undo, func() { next.listeners.removeFiles(old.listeners, s.passed); _ = next.listeners.close() })
	}
	settings, err := cfg.settings()
	if err != nil {
		return err
	}
	if err := old.agent.Reconfigure(append(settings, s.rest)...); err != nil {
		return err
	}

	adoptPolicy()
	old.agent.InstallPlugins()
	if output != nil {
		s.switchOutput(old.agent.output, output)
	}
	if otherServer {
		next.serve(s)
		s.endServer(old, next.listeners)
	}
	s.current = &next
	askAgain(old.agent)
	return nil
}

// askAgain asks the registry, whose file may be what has changed, and waits a second for
// the answer. The agent itself reports an error.
func askAgain(a *Agent) {
	ctx, cancel := context.WithTimeout(context.Background(), registryPatience)
	defer cancel()
	_ = a.Update(ctx)
}

// registryPatience is how long a reload waits for the answer of the registry.
const registryPatience = time.Second

// switchOutput sends the points to next from now on.
func (s *Service) switchOutput(output *outputSwitch, next agent.Output) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := output.replace(ctx, next); err != nil {
		s.log.logger.Warn("the output before did not close well", "error", err)
	}
}

func closeOutput(output agent.Output) error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	return output.Close(ctx)
}

// endServer ends the server of the HTTP API that another one has replaced, which listens on
// those listeners.
func (s *Service) endServer(old *generation, now listeners) {
	if err := old.server.Stop(requestGrace); err != nil {
		s.log.logger.Warn("the HTTP server before did not stop well", "error", err)
	}
	old.listeners.removeFiles(now, s.passed)
	if err := old.server.Wait(requestPatience); err != nil {
		s.log.logger.Warn("the HTTP server before did not stop well", "error", fmt.Errorf("wait for its requests: %w", err))
	}
}
