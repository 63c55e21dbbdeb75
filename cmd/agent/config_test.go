package main

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/stock"
)

// moreFiles writes files of the config's directory, which are read after the config.
func (h *host) moreFiles(t *testing.T, files map[string]string) {
	t.Helper()
	require.NoError(t, os.Mkdir(h.config+".d", 0o700))
	for name, content := range files {
		h.write(t, "agent.conf.d/"+name, content)
	}
}

func TestConfigShowNamesTheOriginOfEachValueAndHidesSecrets(t *testing.T) {
	h := newHost(t)
	h.configure(t, "")
	t.Setenv("DC", "muc")
	secret := h.write(t, "password", "s3cret\n")
	h.moreFiles(t, map[string]string{
		"10-git.toml":  "# whose plugins\nagent.git = \"https://agent:${file:" + secret + "}@git.example.com/%s.git\"\n",
		"20-tags.toml": "tags.dc = \"${DC}\"\n",
	})
	shown := execute(t, "config", "show", "-f", h.config, "--json")
	require.Zero(t, shown.code, shown.stderr)
	var settings []stock.Setting
	require.NoError(t, json.Unmarshal([]byte(shown.stdout), &settings))
	byKey := map[string]stock.Setting{}
	for _, s := range settings {
		byKey[s.Key] = s
	}
	require.Equal(t, stock.Setting{Key: "agent.branch", Value: `"release"`, Origin: "default"}, byKey["agent.branch"])
	require.Equal(t, stock.Setting{Key: "tags.dc", Value: `"muc"`, Origin: h.config + ".d/20-tags.toml:1 ${DC}"}, byKey["tags.dc"])
	require.Equal(t, stock.Setting{Key: "agent.git", Value: `"hidden"`, Origin: h.config + ".d/10-git.toml:2 ${file:" + secret + "}"}, byKey["agent.git"])
	require.Contains(t, byKey["agent.listen"].Origin, h.config+":")

	text := execute(t, "config", "show", "-f", h.config)
	require.Zero(t, text.code, text.stderr)
	require.Contains(t, text.stdout, "\n[tags]\ndc = \"muc\" # "+h.config+".d/20-tags.toml:1 ${DC}\n")
	require.NotContains(t, text.stdout+shown.stdout, "s3cret")
}
