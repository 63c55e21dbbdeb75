package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// target is a platform that the program is built for.
type target struct{ os, arch, arm string }

// allTargets begins with that of `make deb`.
func allTargets() []target {
	return []target{
		{os: "linux", arch: "amd64"}, {os: "linux", arch: "arm64"}, {os: "linux", arch: "arm", arm: "7"},
		{os: "linux", arch: "386"}, {os: "linux", arch: "riscv64"},
		{os: "darwin", arch: "amd64"}, {os: "darwin", arch: "arm64"}, {os: "windows", arch: "amd64"},
	}
}

// String is the platform as file names have it.
func (t target) String() string {
	if t.arm != "" {
		return t.os + "-" + t.arch + "v" + t.arm
	}
	return t.os + "-" + t.arch
}

func (t target) program() string {
	if t.os == "windows" {
		return "agent.exe"
	}
	return "agent"
}

func (t target) binary() string { return filepath.Join(stage, t.String(), t.program()) }

// build builds the program as the Makefile does, with its flags.
func (t target) build() error {
	ldflags, ok := os.LookupEnv("LDFLAGS")
	if !ok {
		return fmt.Errorf("LDFLAGS is not set: run make packages")
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", t.binary(), "./cmd/agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOOS="+t.os, "GOARCH="+t.arch, "GOARM="+t.arm)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build for %s: %w", t, err)
	}
	return nil
}

// release is what all packages have in common.
type release struct {
	program string // the agent for this host
	Version string // as git describe prints it
	Commit  string
	Time    time.Time `json:"buildtime"` // of the commit; of all files in the packages
}

// newRelease asks the program itself, so that packages and program agree.
func newRelease() (*release, error) {
	host := target{os: runtime.GOOS, arch: runtime.GOARCH}
	if _, err := os.Stat(host.binary()); err != nil {
		if err := host.build(); err != nil {
			return nil, err
		}
	}
	r := &release{program: host.binary()}
	output, err := exec.Command(r.program, "version", "--json").Output()
	if err != nil {
		return nil, fmt.Errorf("ask the program for its version: %w", err)
	}
	if err := json.Unmarshal(output, r); err != nil {
		return nil, fmt.Errorf("%w: packages are built in a git repository, with make packages: %s", err, output)
	}
	return r, nil
}

// bare is the version without the v of the tag.
func (r *release) bare() string { return strings.TrimPrefix(r.Version, "v") }
