package stock

import (
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/configfile"
)

// uncommented is the sample with all keys in force.
func uncommented() string { return regexp.MustCompile(`(?m)^#(\S)`).ReplaceAllString(sample, "$1") }

func TestTheSampleHasEachKeyOnce(t *testing.T) {
	file, err := configfile.Parse("sample.conf", []byte(uncommented()))
	require.NoError(t, err)
	c := defaultConfig()
	c.read(file)
	require.NoError(t, file.Err(), "the sample has no key that nothing reads")
	for _, key := range file.Keys() {
		if key == "tags" {
			continue // a section whose keys are not fixed
		}
		require.True(t, file.Has(key), "the sample lacks %s", key)
	}
	require.Len(t, c.Policy.Plugin, 1)
	for _, key := range []string{"match", "user", "env", "memory", "pids", "cpu", "network"} {
		require.Regexp(t, `(?m)^#`+key+" = ", sample)
	}
}

// hasExamples are the keys whose value in the sample is an example, because they
// have no default, or one that depends on the host.
var hasExamples = []string{
	"agent.registryaddr", "agent.ifaceprefix", "agent.git", "agent.gituser", "agent.datadir", "agent.hostname",
	"output.servers", "output.tlsca", "output.tlscert", "output.tlskey", "output.tlsservername", "output.authsecretfile",
	"api.tokenfile", "api.tlscert", "api.tlskey", "api.clientca", "api.socket", "api.hosts", "api.namespaces",
	"log.logdir", "statsd.listen", "statsd.namespace", "tags.dc", "collect.disable", "collect.detail", "policy.plugins", "policy.signers", "policy.plugin",
}

func TestTheSampleShowsTheDefaults(t *testing.T) {
	var kept []string
	section := ""
	for line := range strings.Lines(uncommented()) {
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(strings.TrimSpace(line), "[]")
		}
		name, _, _ := strings.Cut(line, " =")
		if section != "policy.plugin" && section != "collect.include" && section != "collect.exclude" && !slices.Contains(hasExamples, section+"."+name) {
			kept = append(kept, line)
		}
	}
	file, err := configfile.Parse("sample.conf", []byte(strings.Join(kept, "")))
	require.NoError(t, err)
	c := defaultConfig()
	c.read(file)
	require.Equal(t, defaultConfig(), c)
}

// TestTheSampleIsAGoodConfig checks the sample as it is, and with each of its keys
// uncommented. What it names is made in a directory of the test's own.
func TestTheSampleIsAGoodConfig(t *testing.T) {
	dir := sampleFiles(t)
	here := strings.NewReplacer("/etc/agent", dir+"/agent", "/usr/local/agent-plugins", dir+"/plugins", "/var/lib/agent", dir+"/data",
		"/var/log/agent", dir+"/log", "/var/run/", dir+"/", "/run/agent.sock", dir+"/s").Replace(sample)
	lines := strings.SplitAfter(here, "\n")
	check := func(about string, lines []string) {
		path := dir + "/agent.conf"
		require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "")), 0o600))
		_, err := ReadConfig(path)
		require.NoError(t, err, about)
	}
	check("as it is", lines)
	needs := map[string][]string{ // what a key is refused without
		"tlsca": {"#tls ="}, "tlscert": {"#tls =", "#tlskey"}, "tlskey": {"#tls =", "#tlscert"}, "tlsservername": {"#tls ="},
		"clientca": {"#tlscert", "#tlskey"}, "namespace": {"#listen"},
	}
	section := 0 // where it begins
	for i, line := range lines {
		if strings.Contains(line, "[[policy.plugin]]") {
			break
		}
		if strings.HasPrefix(line, "[") {
			section = i
		}
		if !strings.HasPrefix(line, "#") || strings.HasPrefix(line, "# ") {
			continue
		}
		changed := slices.Clone(lines)
		changed[i] = line[1:]
		name, _, _ := strings.Cut(line[1:], " ")
		for _, needed := range needs[name] {
			j := section + slices.IndexFunc(lines[section:], func(l string) bool { return strings.HasPrefix(l, needed) })
			if strings.HasPrefix(lines[j], "#tls ") {
				changed[j] = "tls = true\n"
				continue
			}
			changed[j] = lines[j][1:]
		}
		check(line, changed)
	}
	rules := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "#[[") })
	for i := rules; i < len(lines); i++ {
		if !strings.HasPrefix(lines[i], "# ") {
			lines[i] = strings.TrimPrefix(lines[i], "#")
		}
	}
	check("the rule of plugins", lines)
}

// sampleFiles makes the files that the sample names, in a directory of its own.
func sampleFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	server := httptest.NewTLSServer(nil) // has a certificate
	defer server.Close()
	pair := server.TLS.Certificates[0]
	private, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	require.NoError(t, err)
	certificate := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	require.NoError(t, os.Mkdir(dir+"/agent", 0o700))
	for name, content := range map[string]string{
		"nsqd-ca.pem": certificate, "clients-ca.pem": certificate, "nsq.pem": certificate, "api.pem": certificate,
		"nsq-key.pem": key, "api-key.pem": key, "nsq-secret": "secret", "token": "token",
		"allowed_signers": "anna " + signerOfSample + "\n", "dba.env": "A=b\n",
	} {
		require.NoError(t, os.WriteFile(dir+"/agent/"+name, []byte(content), 0o600))
	}
	return dir
}

const signerOfSample = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIBjTXDDyMSu9N5iUk6ZDkmRlZSADVkWOLbFEXVdSDtF"
