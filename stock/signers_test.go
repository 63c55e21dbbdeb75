package stock_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const signerKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIBjTXDDyMSu9N5iUk6ZDkmRlZSADVkWOLbFEXVdSDtF"

// withSigners is a config that names an allowed_signers file.
func withSigners(path string) string {
	return fmt.Sprintf("agent.registryaddr = \"https://r\"\noutput.name = \"stdout\"\nagent.git = \"git@git.example.com:%%s.git\"\npolicy.signers = %q\n", path)
}

func TestPluginsThatNeedNoSignatureAreWarnedOf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "allowed_signers")
	require.NoError(t, os.WriteFile(path, []byte("anna "+signerKey+"\n"), 0o600))
	const warning = "agent.git: plugins need no signature"
	c, err := readConfig(t, withSigners(path))
	require.NoError(t, err)
	require.NotContains(t, strings.Join(c.Warnings, "\n"), warning)
	c, err = readConfig(t, strings.Replace(withSigners(path), "policy.signers", "# ", 1))
	require.NoError(t, err)
	require.Contains(t, strings.Join(c.Warnings, "\n"), "agent.conf:3: "+warning)
}

func TestAnAllowedSignersFileThatIsWrongIsAFaultOfTheConfigWithItsLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "allowed_signers")
	for content, want := range map[string]string{
		"anna " + signerKey + "\nbert ssh-ed25519 x\n": "agent.conf:4: policy.signers: " + path + ":2: its key is not in base64",
		"":              "agent.conf:4: policy.signers: " + path + " lists no signer",
		"-----BEGIN---": "agent.conf:4: policy.signers: " + path + ":1: ",
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := readConfig(t, withSigners(path))
		require.ErrorContains(t, err, want)
	}
	require.NoError(t, os.Remove(path))
	_, err := readConfig(t, withSigners(path))
	require.ErrorContains(t, err, path+" does not exist")
}
