package systemca_test

import (
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/systemca"
)

// newCA writes a certificate to a file and returns it.
func newCA(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return server.Certificate()
}

func TestPoolHasACAThatWasAddedSince(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SSL_CERT_FILE", filepath.Join(dir, "none"))
	t.Setenv("SSL_CERT_DIR", dir)
	before, err := systemca.Pool()
	require.NoError(t, err)

	ca := newCA(t, filepath.Join(dir, "new.pem"))
	require.NoError(t, os.Symlink("new.pem", filepath.Join(dir, "0123abcd.0")))
	after, err := systemca.Pool()
	require.NoError(t, err)
	require.False(t, after.Equal(before))
	want := x509.NewCertPool()
	want.AddCert(ca)
	require.True(t, after.Equal(want))
}

func TestPoolReadsTheBundle(t *testing.T) {
	dir := t.TempDir()
	ca := newCA(t, filepath.Join(dir, "bundle.pem"))
	t.Setenv("SSL_CERT_FILE", filepath.Join(dir, "bundle.pem"))
	t.Setenv("SSL_CERT_DIR", filepath.Join(dir, "none"))
	pool, err := systemca.Pool()
	require.NoError(t, err)
	want := x509.NewCertPool()
	want.AddCert(ca)
	require.True(t, pool.Equal(want))
}
