package gitrunner

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// release is the record of an installed version. It lies in the clone's .git,
// where nothing that is in the repository can be.
type release struct {
	// Origin is the address that it was cloned from.
	Origin string `json:"origin"`
	Branch string `json:"branch"`
	Commit string `json:"commit"`
	// Version is the tag or commit that was asked for. Empty: the newest release.
	Version string `json:"version,omitempty"`
	// Signed is nil where the policy named no signers.
	Signed *signed `json:"signed,omitempty"`
}

const releaseName = ".git/agent-release.json"

// readRelease returns nil if there is no release, or no valid one.
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

func (r release) write(dir string) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, releaseName), text, 0o600); err != nil {
		return fmt.Errorf("recording the release: %w", err)
	}
	return nil
}
