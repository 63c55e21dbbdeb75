//go:build unix

package stock_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/stock"
)

// configFiles writes agent.conf and files of agent.conf.d, and returns the path
// of the former.
func configFiles(t *testing.T, conf string, more map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.conf")
	require.NoError(t, os.WriteFile(path, []byte(conf), 0o600))
	require.NoError(t, os.Mkdir(path+".d", 0o700))
	for name, content := range more {
		require.NoError(t, os.WriteFile(filepath.Join(path+".d", name), []byte(content), 0o600))
	}
	return path
}

const smallest = "[agent]\nregistryaddr = \"https://r\"\n[output]\nname = \"stdout\"\n"

func TestSettingsTellWhereEachValueComesFrom(t *testing.T) {
	t.Setenv("STOCK_HOST", "web-1")
	t.Setenv("STOCK_TOKEN", "s3cret")
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("s3cret\n"), 0o600))
	path := configFiles(t, smallest+"buffersize = 5\n", map[string]string{
		"1.toml": "agent.hostname = \"${STOCK_HOST}\"\noutput.buffersize = 6\nlog.loglevel = \"WARN\"\n",
		"2.toml": "agent.git = \"https://${STOCK_TOKEN}@git.example.com/%s.git\"\nagent.branch = \"${file:" + secret + "}\"\n[[policy.plugin]]\nmatch = \"a/*\"\n",
		"3.toml": "agent.registryaddr = \"https://me:s3cret@registry.example.com\"\n",
	})
	settings, err := stock.Settings(path)
	require.NoError(t, err)
	got := map[string]stock.Setting{}
	for _, s := range settings {
		got[s.Key] = s
		require.NotContains(t, s.Value, "s3cret")
	}
	for key, want := range map[string][2]string{
		"agent.hostname":         {`"web-1"`, path + ".d/1.toml:1 ${STOCK_HOST}"},
		"agent.git":              {`"https://hidden@git.example.com/%s.git"`, path + ".d/2.toml:1 ${STOCK_TOKEN}"},
		"agent.branch":           {`"hidden"`, path + ".d/2.toml:2 ${file:" + secret + "}"},
		"agent.registryaddr":     {`"https://me:hidden@registry.example.com"`, path + ".d/3.toml:1"},
		"agent.datadir":          {`"/usr/local/agent-plugins/.agent"`, "default"},
		"agent.updateinterval":   {`"10m"`, "default"},
		"output.name":            {`"stdout"`, path + ":4"},
		"output.buffersize":      {`6`, path + ".d/1.toml:2"},
		"output.spoolsize":       {`"1GiB"`, "default"},
		"log.loglevel":           {`"WARN"`, path + ".d/1.toml:3"},
		"time.servers":           {`[ "pool.ntp.org" ]`, "default"},
		"policy.plugin[0].match": {`"a/*"`, path + ".d/2.toml:4"},
	} {
		require.Equal(t, stock.Setting{Key: key, Value: want[0], Origin: want[1]}, got[key])
	}
}

func TestTheFilesOfTheDirectoryAreGuardedAsTheConfigIs(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("s3cret\n"), 0o600))
	more := map[string]string{"1.toml": "agent.git = \"https://u:${file:" + secret + "}@git.example.com/%s.git\"\nagent.gituser = \"root\"\n"}
	path := configFiles(t, smallest, more)
	c, err := stock.ReadConfig(path)
	require.NoError(t, err)
	require.Equal(t, "https://u:s3cret@git.example.com/%s.git", c.Agent.Git)

	require.NoError(t, os.Chmod(path+".d/1.toml", 0o666))
	_, err = stock.ReadConfig(path)
	require.ErrorContains(t, err, path+".d/1.toml:1: "+path+".d/1.toml is writable by others than its owner")
	require.NoError(t, os.Chmod(path+".d/1.toml", 0o600))
	require.NoError(t, os.Chmod(path+".d", 0o777))
	_, err = stock.ReadConfig(path)
	require.ErrorContains(t, err, path+".d:1: "+path+".d is writable by others than its owner")
	require.NoError(t, os.Chmod(path+".d", 0o700))
	require.NoError(t, os.Chmod(secret, 0o644))
	_, err = stock.ReadConfig(path)
	require.ErrorContains(t, err, path+".d/1.toml:1: agent.git: "+secret+" is a secret that every user may read")
	require.NotContains(t, err.Error(), "s3cret")
}
