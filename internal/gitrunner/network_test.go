package gitrunner

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/policy"
)

func TestPluginIsNotStartedWithNetworkWhereItCannotBeTakenAway(t *testing.T) {
	r, err := New(Config{Policy: policy.Policy{Rules: []policy.Rule{{Match: "a/b", NoNetwork: true}}}})
	require.NoError(t, err)
	r.noNetwork = func() error { return errors.New("no namespaces here") }
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "plugin"), []byte("#!/bin/sh\necho started\n"), 0o755))
	res, err := r.RunDir(t.Context(), dir, agent.Plugin{Namespace: "n", Repo: "a/b"}, nil)
	var refused *agent.PolicyError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, policy.KeyNetwork, refused.Rule)
	require.ErrorContains(t, err, "this host cannot run it without a network: no namespaces here; run the agent as root, or remove the key")
	require.Empty(t, res.Stdout)
	require.NoError(t, r.Close(t.Context()))
}
