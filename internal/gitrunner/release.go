package gitrunner

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// release is the record of an installed version. It is stored in the clone's
// .git, where no file of the repository can be.
type release struct {
	// Origin is the address that the version was cloned from.
	Origin string `json:"origin"`
	Branch string `json:"branch"`
	Commit string `json:"commit"`
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
