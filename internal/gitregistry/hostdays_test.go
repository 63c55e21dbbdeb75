package gitregistry_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/stock"
)

func TestCredentialsThatAreRevokedLeaveWhatIsInForce(t *testing.T) {
	w := newWorld(t)
	var password atomic.Value
	password.Store("old")
	server := httptest.NewServer(w.root.Handler(func() string { return password.Load().(string) }))
	t.Cleanup(server.Close)
	w.open(strings.Replace(server.URL, "http://", "http://fleet:old@", 1)+"/%s.git", "")
	w.has("web-1", "all web")
	before := w.details()

	password.Store("new")
	w.write("web", "name = \"new\"\n")
	w.push()
	w.fails("the git host does not accept the login; give git+http://127.0.0.1:")
	_, err := w.ask("web-1")
	require.NotContains(t, err.Error(), "old", "the password")
	require.Equal(t, before, w.details())

	password.Store("old")
	w.has("web-1", "all new")
}

func TestACertificateThatExpiresLeavesWhatIsInForce(t *testing.T) {
	w := newWorld(t)
	site := newSite(t, w.root.Handler(func() string { return "" }))
	site.certify(-time.Hour, time.Hour)
	w.open(site.template, "")
	w.has("web-1", "all web")
	before := w.details()
	const year = 365 * 24 * time.Hour
	for what, validity := range map[string][2]time.Duration{
		"it has expired, or this host's clock is a year ahead":     {-2 * year, -year},
		"it is not valid yet, or this host's clock is a year late": {year, 2 * year},
	} {
		site.certify(validity[0], validity[1])
		names, err := w.ask("web-1")
		require.Empty(t, names, what)
		require.ErrorContains(t, err, "the certificate of the git host is not valid here", what)
		require.ErrorContains(t, err, "this host's clock", what)
		require.Equal(t, before, w.details(), what)
	}
	site.certify(-time.Hour, time.Hour)
	w.has("web-1", "all web")
}

// site is an https server whose certificate can change.
type site struct {
	t        *testing.T
	template string
	key      *ecdsa.PrivateKey
	ca       string // file of the certificate, which is its own CA
	current  atomic.Pointer[tls.Config]
}

func newSite(t *testing.T, handler http.Handler) *site {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	s := &site{t: t, key: key, ca: filepath.Join(t.TempDir(), "ca.pem")}
	t.Setenv("GIT_SSL_CAINFO", s.ca)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.current.Load(), nil }}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	s.template = server.URL + "/%s.git"
	return s
}

// certify gives the site a certificate that is valid between two times from now.
func (s *site) certify(begins, ends time.Duration) {
	s.t.Helper()
	about := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(begins), NotAfter: time.Now().Add(ends), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, s.key.Public(), s.key)
	require.NoError(s.t, err)
	require.NoError(s.t, os.WriteFile(s.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644))
	s.current.Store(&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: s.key}}})
}

func TestAHostThatSendsAByteASecondTakesOnlyItsTime(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	w := newWorld(t)
	w.repo.Write("noise", noise(1<<20), 0o644)
	w.push()
	for what, first := range map[string]int64{
		"ask the fleet repository for its head: git timed out": 0,
		"fetch the fleet repository: git timed out":            64 << 10,
	} {
		w.open(w.root.Slow(func() int64 { return first }), "", func(c *stock.RegistryConfig) { c.Git.GitTimeout = 2 * time.Second })
		began := time.Now()
		w.fails(what, "(agent.gittimeout)")
		require.Less(t, time.Since(began), patience)
	}
}

func TestARewrittenAddressIsNamed(t *testing.T) {
	w := newWorld(t)
	home := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[url \"ssh://127.0.0.1/\"]\ninsteadOf = \"git://127.0.0.1\"\n"), 0o644))
	t.Setenv("HOME", home)
	w.fails("(url.….insteadOf) rewrites the address to a transport that " + w.config.Address + " does not have")
}

// noise is a text that cannot be compressed.
func noise(bytes int) string {
	text := make([]byte, bytes)
	rand.Read(text)
	return string(text)
}
