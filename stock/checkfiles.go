package stock

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lodastack/agent/internal/configfile"
	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/safefile"
	"github.com/lodastack/agent/internal/signature"
)

// checkAccess calls fail for each file and directory of the agent that users other than
// its own and root could change, for each that this user cannot use or check, for each
// secret that other users may read, and for faults of the allowed_signers file.
func (c Config) checkAccess(fail func(key, reason string)) {
	note := notingFaults(fail)
	for key, dir := range c.ownDirs() {
		note(key, cmp.Or(safefile.CheckDir(dir), safefile.CheckWritable(dir)))
	}
	note("agent.pidfile", cmp.Or(checkRegular(c.Agent.PIDFile), safefile.CheckWritable(filepath.Dir(c.Agent.PIDFile))))
	if c.API.Socket != "" {
		note("api.socket", safefile.CheckWritable(filepath.Dir(c.API.Socket)))
	}
	if c.Log.LogDir != "" {
		for _, name := range []string{logName, auditName} {
			note("log.logdir", checkRegular(filepath.Join(c.Log.LogDir, name)))
		}
	}
	if path := c.Policy.Signers; checkPath(path) == nil {
		_, err := signature.ReadSigners(path)
		note("policy.signers", err)
	}
	for key, path := range c.secretFiles() {
		note(key, safefile.CheckFile(path, true))
	}
	for i, rule := range c.Policy.Plugin {
		if filepath.IsAbs(rule.Env) {
			note(fmt.Sprintf("policy.plugin[%d].env", i), gitrunner.CheckEnvFile(rule.Env))
		}
	}
	for key, path := range c.certificateFiles() {
		note(key, safefile.CheckFile(path, false))
	}
}

// checkConfigFiles notes each file of the config that users other than this one and root
// could change, and each file it refers to that they could read.
func checkConfigFiles(path string, file *configfile.File) {
	note := notingFaults(file.FailFile)
	for _, path := range file.Files() {
		note(path, safefile.CheckFile(path, false))
	}
	if dir := path + ".d"; exists(dir) {
		note(dir, safefile.CheckDir(dir))
	}
	for _, r := range file.References() {
		if err := safefile.CheckFile(r.Path, true); err != nil {
			file.Fail(r.Key, err.Error())
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// ownDirs are the directories of the agent, by key.
func (c Config) ownDirs() map[string]string {
	dirs := map[string]string{"agent.pluginsdir": c.Agent.PluginsDir, "agent.datadir": c.DataDir()}
	if c.Log.LogDir != "" {
		dirs["log.logdir"] = c.Log.LogDir
	}
	return dirs
}

// secretFiles are the files that only the agent's user may read, by key. Some
// may be empty.
func (c Config) secretFiles() map[string]string {
	return map[string]string{
		"api.tokenfile":         c.API.TokenFile,
		"api.tlskey":            c.API.TLSKey,
		"output.tlskey":         c.Output.TLSKey,
		"output.authsecretfile": c.Output.AuthSecretFile,
	}
}

// certificateFiles are the files with the certificates that the agent trusts, by key. Some
// may be empty.
func (c Config) certificateFiles() map[string]string {
	return map[string]string{
		"api.tlscert":    c.API.TLSCert,
		"api.clientca":   c.API.ClientCA,
		"output.tlscert": c.Output.TLSCert,
		"output.tlsca":   c.Output.TLSCA,
	}
}

// checkRegular returns an error if something other than a regular file is at path.
func checkRegular(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrPermission) {
		return safefile.Unseen(path, err)
	}
	if err != nil || info.Mode().IsRegular() {
		return nil
	}
	return fmt.Errorf("%w; remove it, or name another path", &safefile.NotRegularError{Path: path, Mode: info.Mode()})
}

// checkPath returns an error unless path is absolute: an agent may be started anywhere.
func checkPath(path string) error {
	if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
		return fmt.Errorf("%q is not an absolute path; begin it with /", path)
	}
	return nil
}

// checkDir returns an error unless path is absolute, and is a directory or does not exist
// yet. It accepts a path that this user may not look at.
func checkDir(path string) error {
	if path == "" {
		return nil
	}
	if err := checkPath(path); err != nil {
		return err
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return nil
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", path)
	}
	return nil
}

// checkSecret returns an error if the file is empty. There may be no file.
func checkSecret(path string) error {
	if path == "" {
		return nil
	}
	_, err := readSecret(path)
	return err
}

// readSecret returns the content of the file, without blanks around it.
func readSecret(path string) (string, error) {
	if err := checkPath(path); err != nil {
		return "", err
	}
	content, err := configfile.Content(path)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(content))
	if secret == "" {
		return "", fmt.Errorf("%s is empty; write the secret into it", path)
	}
	return secret, nil
}

// checkKeyPair returns an error unless a certificate and its key are given, or neither.
func checkKeyPair(note noteFault, certKey, cert, keyKey, key string) {
	switch {
	case cert == "" && key == "":
	case cert == "":
		note(keyKey, fmt.Errorf("a key without its certificate; set %s too", certKey))
	case key == "":
		note(certKey, fmt.Errorf("a certificate without its key; set %s too", keyKey))
	default:
		_, err := loadKeyPair(cert, key)
		note(certKey, err)
	}
}

// loadKeyPair reads PEM files of a certificate and its key.
func loadKeyPair(certFile, keyFile string) (tls.Certificate, error) {
	cert, err := configfile.Content(certFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := configfile.Content(keyFile)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(cert, key)
}

// checkCertificates returns an error unless the file has certificates in PEM. There may be
// no file.
func checkCertificates(path string) error {
	if path == "" {
		return nil
	}
	_, err := readCertificates(path)
	return err
}

// readCertificates reads a PEM file of certificates to trust.
func readCertificates(path string) (*x509.CertPool, error) {
	content, err := configfile.Content(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s contains no certificate; it must be a PEM file", path)
	}
	return pool, nil
}
