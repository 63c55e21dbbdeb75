package gitrunner

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// version is a version of a plugin's repository.
type version struct {
	// Commit is the full id of the commit that is checked out.
	Commit string `json:"commit"`
	// Tag is the id of the annotated tag by which Commit was asked for. Empty:
	// there was none.
	Tag string `json:"tag,omitempty"`
	// Version is the tag or commit that was asked for. Empty: it was the newest
	// release.
	Version string `json:"version,omitempty"`
}

// object returns the id of the version's annotated tag, which leads to the commit, or
// else the id of the commit.
func (v version) object() string {
	if v.Tag != "" {
		return v.Tag
	}
	return v.Commit
}

// release is the record of an installed version. It is stored in the clone's
// .git, where no file of the repository can be.
type release struct {
	// Origin is the address that the version was cloned from.
	Origin string `json:"origin"`
	Branch string `json:"branch,omitempty"`
	version
	// Assigned is the version that the registry named when this one was
	// installed. After a rollback it is not the one that is installed.
	Assigned string `json:"assigned,omitempty"`
	// Since is when it was installed. By is who asked for that: one of the constants
	// of internal/plugins.
	Since time.Time `json:"since,omitzero"`
	By    string    `json:"by,omitempty"`
	// Signed is nil if the policy named no signers.
	Signed *signed `json:"signed,omitempty"`
	// Before are the versions that were installed before, the last one first.
	// Their objects are in .git.
	Before []version `json:"before,omitempty"`
}

const releaseName = ".git/agent-release.json"

// readRelease returns nil if there is no valid record.
func readRelease(dir string) *release {
	text, err := os.ReadFile(filepath.Join(dir, releaseName))
	if err != nil {
		return nil
	}
	var r release
	if json.Unmarshal(text, &r) != nil || r.Origin == "" {
		return nil
	}
	return &r
}

// write replaces the record atomically: a crash leaves the old one or the new one.
func (r release) write(dir string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, releaseName)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("recording the release: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("recording the release: %w", err)
	}
	return nil
}
