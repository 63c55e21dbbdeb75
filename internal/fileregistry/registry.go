// Package fileregistry reads what a host is to collect from a file, for hosts
// without a registry. docs/registry-file.md describes the file's format.
package fileregistry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"slices"

	"github.com/lodastack/agent"
)

// maxFile bounds the file's size in bytes.
const maxFile = 16 << 20

// Registry is a registry file. It is safe for concurrent use.
type Registry struct {
	path string
}

var _ agent.Registry = (*Registry)(nil)

// New returns the registry of the file at address, which has the form
// file:///PATH. The file is read by Assignments, and need not be there yet.
func New(address string) (*Registry, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "file" || u.Host != "" && u.Host != "localhost" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("the registry file's address %q has not the form file:///etc/agent-registry.toml", address)
	}
	if !path.IsAbs(u.Path) || path.Clean(u.Path) == "/" {
		return nil, fmt.Errorf("the registry file's address %q has no absolute path, as file:///etc/agent-registry.toml has", address)
	}
	return &Registry{path: u.Path}, nil
}

// Assignments reads the file anew and returns what it holds, in its order,
// whatever host asks. The error names the file and, where it has one, the line.
func (r *Registry) Assignments(ctx context.Context, _ agent.Host) ([]agent.Assignment, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read the registry file %s: %w", r.path, err)
	}
	content, err := readFile(r.path)
	if err != nil {
		return nil, fmt.Errorf("read the registry file: %w", err)
	}
	f, err := parse(r.path, content)
	if err != nil {
		return nil, err
	}
	assignments := make([]agent.Assignment, 0, len(f.Namespaces))
	for _, ns := range f.Namespaces {
		assignments = append(assignments, ns.assignment())
	}
	return slices.Clip(assignments), nil
}

// readFile reads a regular file of a bounded size. Opening anything else, such
// as a pipe, could wait for ever.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	err = errors.Join(err, file.Close())
	if err != nil {
		return nil, err
	}
	if len(content) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, maxFile>>20)
	}
	return content, nil
}
