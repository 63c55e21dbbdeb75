package stock

import (
	"maps"
	"slices"
	"strings"

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
	// reconfigureKeys are options of [agent.Agent.Reconfigure].
	reconfigureKeys = []string{
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
		slices.Contains(reconfigureKeys, key) || slices.Contains(outputKeys, key) || slices.Contains(serverKeys, key)
}

// changesAny reports whether one of the changed keys is among keys.
func changesAny(changed, keys []string) bool {
	return slices.ContainsFunc(changed, func(key string) bool { return slices.Contains(keys, key) })
}
