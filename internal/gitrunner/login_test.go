//go:build linux

package gitrunner_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/gitrunner"
	"github.com/lodastack/agent/internal/gittest"
)

func TestThePasswordInTheTemplateIsNotShown(t *testing.T) {
	r := newRunner(t, "http://ann:s3cret@127.0.0.1:1/%s.git", in(tempDir(t)))
	err := r.Install(t.Context(), mysql())
	require.ErrorContains(t, err, "http://127.0.0.1:1/dba/mysql.git")
	require.NotContains(t, err.Error(), "s3cret")
	for _, template := range []string{"ssh://ann:s3cret@h/%s.git", "http://ann:s3cret@h/x", "https://ann:s3cret@h/a b/%s", "http://ann:s3cret%0a@h/%s"} {
		err := gitrunner.CheckGit(template)
		require.Error(t, err, template)
		require.NotContains(t, err.Error(), "s3cret")
	}
}

func TestThePasswordInTheTemplateIsGivenToTheServerAndToNobodyElse(t *testing.T) {
	if testing.Short() {
		t.Skip("runs git many times")
	}
	const secret = "s3cret/@:%" // which an address has to escape
	root, dir := gittest.NewRoot(t), tempDir(t)
	root.Plugin("dba/mysql", "echo hello")
	requests := 0
	proxy := inFrontOf(t, root.HTTP(secret), func() {
		requests++
		require.Empty(t, processesThatShow(t, "s3cret"), "the password is readable for every user of the host")
	})
	t.Setenv("HOME", tempDir(t))
	r := newRunner(t, strings.Replace(proxy, "http://", "http://ann:"+url.PathEscape(secret)+"@", 1)+"/%s.git", in(dir))
	require.NoError(t, r.Install(t.Context(), mysql()))
	require.Equal(t, "hello\n", run(t, r))
	require.Greater(t, requests, 2)
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		require.NoError(t, err)
		if entry.Type().IsRegular() {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			require.NotContains(t, string(content), "s3cret", path)
		}
		return nil
	}))
}

func TestThePasswordIsNotGivenToAServerThatARedirectNames(t *testing.T) {
	asked := false
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		asked = true
		require.Empty(t, q.Header.Get("Authorization"))
		w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(other.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, other.URL+q.URL.String(), http.StatusFound)
	}))
	t.Cleanup(server.Close)
	t.Setenv("HOME", tempDir(t))
	r := newRunner(t, strings.Replace(server.URL, "http://", "http://ann:s3cret@", 1)+"/%s.git")
	require.Error(t, r.Install(t.Context(), mysql()))
	require.True(t, asked)
}

// inFrontOf returns the address of a server that calls seen and hands each
// request on to the one of a template.
func inFrontOf(t *testing.T, template string, seen func()) string {
	t.Helper()
	target, err := url.Parse(strings.TrimSuffix(template, "/%s.git"))
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		seen()
		proxy.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// processesThatShow returns the command lines with a text in them.
func processesThatShow(t *testing.T, text string) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	var found []string
	for _, path := range paths {
		if line, err := os.ReadFile(path); err == nil && bytes.Contains(line, []byte(text)) {
			found = append(found, string(line))
		}
	}
	return found
}
