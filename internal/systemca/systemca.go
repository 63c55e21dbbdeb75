// Package systemca reads the certificates of the CAs that this system trusts.
//
// crypto/x509 reads them once in the life of a process. This package reads them
// each time, so that a reload of the configuration sees a CA that was added.
package systemca

import (
	"cmp"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
)

// bundles and directories are the places where Linux distributions keep the
// certificates, copied from crypto/x509 (root_linux.go).
var (
	bundles = []string{
		"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Gentoo, Arch
		"/etc/pki/tls/certs/ca-bundle.crt",                  // Fedora, RHEL 6
		"/etc/ssl/ca-bundle.pem",                            // openSUSE
		"/etc/pki/tls/cacert.pem",                           // OpenELEC
		"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // CentOS, RHEL 7
		"/etc/ssl/cert.pem",                                 // Alpine
	}
	directories = []string{"/etc/ssl/certs", "/etc/pki/tls/certs"}
)

// Pool returns the CAs that are on disk now. As for crypto/x509, SSL_CERT_FILE and
// SSL_CERT_DIR name other places. If it finds none, as on systems that keep them
// elsewhere, it returns [x509.SystemCertPool].
func Pool() (*x509.CertPool, error) {
	files, dirs := bundles, directories
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		files = []string{file}
	}
	if list := os.Getenv("SSL_CERT_DIR"); list != "" {
		dirs = strings.Split(list, ":")
	}
	pool := x509.NewCertPool()
	found := false
	for _, file := range files {
		if content, err := os.ReadFile(file); err == nil {
			found = pool.AppendCertsFromPEM(content)
			break
		}
	}
	for _, dir := range dirs {
		entries, _ := os.ReadDir(dir)
		for _, entry := range entries {
			// A directory of CAs names each a second time, by its hash, with a
			// link to its neighbour.
			path := filepath.Join(dir, entry.Name())
			if target, err := os.Readlink(path); err == nil && filepath.Base(target) == target {
				continue
			}
			if content, err := os.ReadFile(path); err == nil {
				found = cmp.Or(pool.AppendCertsFromPEM(content), found)
			}
		}
	}
	if !found {
		return x509.SystemCertPool()
	}
	return pool, nil
}
