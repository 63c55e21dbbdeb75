package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/policy"
)

func TestPolicyRefusesWhatItDoesNotAllow(t *testing.T) {
	infra := policy.Policy{Plugins: []string{"infra/*", "db/mysql"}}
	pinned := policy.Policy{Pinned: true}
	for name, test := range map[string]struct {
		policy        policy.Policy
		repo, version string
		key           string // of the refusal; empty: allowed
	}{
		"everything where nothing is said": {policy.Policy{}, "a/b", "", ""},
		"a glob":                           {infra, "infra/disk", "", ""},
		"a name":                           {infra, "db/mysql", "", ""},
		"another project":                  {infra, "db/mysql2", "", policy.KeyPlugins},
		"another organisation":             {infra, "x/infra", "", policy.KeyPlugins},
		"a longer organisation":            {infra, "infra2/disk", "", policy.KeyPlugins},
		"a subgroup":                       {infra, "infra/sub/disk", "", policy.KeyPlugins},
		"other letters":                    {infra, "Infra/disk", "", policy.KeyPlugins},
		"a version":                        {pinned, "a/b", "v1", ""},
		"no version":                       {pinned, "a/b", "", policy.KeyPinned},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.policy.Check(test.repo, test.version)
			if test.key == "" {
				require.NoError(t, err)
				return
			}
			var refusal *policy.Refusal
			require.ErrorAs(t, err, &refusal)
			require.Equal(t, test.key, refusal.Key)
			require.ErrorContains(t, err, "refused by "+test.key)
		})
	}
}

func TestTheFirstRuleThatMatchesCounts(t *testing.T) {
	p := policy.Policy{Rules: []policy.Rule{{Match: "db/mysql", User: "mysql"}, {Match: "db/*", User: "db"}}}
	require.Equal(t, "mysql", p.Rule("db/mysql").User)
	require.Equal(t, "db", p.Rule("db/redis").User)
	require.Zero(t, p.Rule("web/nginx"))
}

func TestPluginDoesNotEscapeItsRuleByTheCaseOfItsName(t *testing.T) {
	p := policy.Policy{Rules: []policy.Rule{{Match: "Web/nginx"}, {Match: "db/*", NoNetwork: true}, {Match: "*/*"}}}
	for repo, refused := range map[string]bool{"db/mysql": false, "DB/mysql": true, "db/MySQL": false, "Web/nginx": false, "web/nginx": true, "x/y": false} {
		err := p.Check(repo, "")
		if !refused {
			require.NoError(t, err, repo)
			continue
		}
		require.ErrorContains(t, err, "refused by policy.plugin.match: "+repo+" differs from ", repo)
	}
}

func TestGlobThatCannotMatchIsRefused(t *testing.T) {
	for _, glob := range []string{"", "infra", "*", "infra/[a", "infra/a b", "infra/é", "infra/\n"} {
		require.Error(t, policy.CheckGlob(glob), glob)
	}
	for _, glob := range []string{"infra/*", "*/mysql", "a/b/c", "*/*", "db/[mn]*"} {
		require.NoError(t, policy.CheckGlob(glob), glob)
	}
}
