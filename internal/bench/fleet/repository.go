//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// repository is a fleet repository behind git daemon, which can go away and come back. Each
// connection is a request.
type repository struct {
	requests
	dir      string // above the repository
	address  string
	listener net.Listener
	serving  sync.WaitGroup
}

func newRepository(dir string) (*repository, error) {
	r := &repository{dir: dir, address: "127.0.0.1:0"}
	if err := os.MkdirAll(r.tree(), 0o755); err != nil {
		return nil, err
	}
	if err := r.git("init", "--quiet", "--initial-branch=main"); err != nil {
		return nil, err
	}
	return r, r.open()
}

// tree is the working tree.
func (r *repository) tree() string { return filepath.Join(r.dir, "fleet") }

// url returns the address that agents take.
func (r *repository) url() string { return "git+git://" + r.address + "/fleet" }

func (r *repository) git(args ...string) error {
	command := exec.Command("git", append([]string{"-c", "user.name=fleet", "-c", "user.email=fleet@example.com", "-c", "maintenance.auto=false"}, args...)...)
	command.Dir = r.tree()
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("git %s: %w: %s", args[0], err, output)
	}
	return nil
}

// set commits these namespaces in place of those before.
func (r *repository) set(namespaces ...string) error {
	dir := filepath.Join(r.tree(), "namespaces")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, ns := range namespaces {
		var text strings.Builder
		fmt.Fprintf(&text, "name = %q\n[intervals]\n", ns)
		for _, item := range items() {
			fmt.Fprintf(&text, "%s = %s\n", item["measurement_type"], item["interval"])
		}
		if err := os.WriteFile(filepath.Join(dir, ns+".toml"), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	if err := r.git("add", "--all"); err != nil {
		return err
	}
	return r.git("commit", "--quiet", "--message", "a change")
}

// open accepts connections, at the same address as before. Each gets a git daemon.
func (r *repository) open() (err error) {
	if r.listener, err = net.Listen("tcp", r.address); err != nil {
		return err
	}
	r.address = r.listener.Addr().String()
	r.serving.Go(func() {
		for {
			conn, err := r.listener.Accept()
			if err != nil {
				return // away
			}
			r.add()
			r.serving.Go(func() { r.serve(conn.(*net.TCPConn)) })
		}
	})
	return nil
}

func (r *repository) serve(conn *net.TCPConn) {
	defer conn.Close()
	file, err := conn.File()
	if err != nil {
		return
	}
	defer file.Close()
	daemon := exec.Command("git", "daemon", "--inetd", "--export-all", "--base-path="+r.dir, r.dir)
	daemon.Stdin, daemon.Stdout = file, file
	_ = daemon.Run() // the client hears of its error
}

// away refuses connections until open.
func (r *repository) away() {
	r.listener.Close()
	r.serving.Wait()
}
