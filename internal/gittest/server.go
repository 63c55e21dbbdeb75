package gittest

import (
	"io"
	"net"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
)

// Daemon serves the repositories with git daemon on a loopback port until the
// test ends. It returns the template git://127.0.0.1:PORT/%s.git.
func (r *Root) Daemon() string {
	r.t.Helper()
	return "git://" + r.listen(func(conn *net.TCPConn) {
		file, err := conn.File()
		if err != nil {
			return
		}
		defer file.Close()
		cmd := exec.Command("git", "daemon", "--inetd", "--export-all", "--base-path="+r.Dir, r.Dir)
		cmd.Stdin, cmd.Stdout = file, file
		cmd.Run()
	}) + "/%s.git"
}

// Hanging starts a server that accepts connections and never answers, until the
// test ends. It returns its template.
func (r *Root) Hanging() string {
	r.t.Helper()
	return "git://" + r.listen(func(conn *net.TCPConn) { io.Copy(io.Discard, conn) }) + "/%s.git"
}

// listen serves connections and returns the address.
func (r *Root) listen(serve func(conn *net.TCPConn)) string {
	r.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(r.t, err)
	var served sync.WaitGroup
	served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			served.Go(func() {
				defer conn.Close()
				serve(conn.(*net.TCPConn))
			})
		}
	})
	r.t.Cleanup(func() {
		listener.Close()
		served.Wait()
	})
	return listener.Addr().String()
}

// HTTP serves the repositories with git http-backend until the test ends. If
// the password is not empty, callers need it. It returns the template
// http://127.0.0.1:PORT/%s.git.
func (r *Root) HTTP(password string) string {
	r.t.Helper()
	server := httptest.NewServer(r.Handler(func() string { return password }))
	r.t.Cleanup(server.Close)
	return server.URL + "/%s.git"
}

// Handler serves the repositories with git http-backend. Callers need the password that
// the function returns, unless it is empty.
func (r *Root) Handler(password func() string) http.Handler {
	r.t.Helper()
	out, err := exec.Command("git", "--exec-path").Output()
	require.NoError(r.t, err)
	backend := &cgi.Handler{
		Path: filepath.Join(strings.TrimSpace(string(out)), "git-http-backend"),
		Env:  []string{"GIT_PROJECT_ROOT=" + r.Dir, "GIT_HTTP_EXPORT_ALL=1"},
	}
	if _, err := os.Stat(backend.Path); err != nil {
		r.t.Skip("git http-backend is not installed")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if _, given, _ := q.BasicAuth(); password() != "" && given != password() {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, q)
	})
}

// Slow starts a git daemon that sends the first bytes of each answer at once, as many as the
// function says, and then one byte a second, until the test ends. It returns its template.
func (r *Root) Slow(first func() int64) string {
	r.t.Helper()
	fast := strings.TrimSuffix(strings.TrimPrefix(r.Daemon(), "git://"), "/%s.git")
	return "git://" + r.listen(func(conn *net.TCPConn) {
		server, err := net.Dial("tcp", fast)
		if err != nil {
			return
		}
		go func() {
			io.Copy(server, conn)
			server.Close() // the client is gone
		}()
		io.CopyN(conn, server, first())
		for range time.Tick(time.Second) {
			if _, err := io.CopyN(conn, server, 1); err != nil {
				return
			}
		}
	}) + "/%s.git"
}
