package gitrunner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// release is the record of an installed version. It lies in the clone's .git,
// where nothing that is in the repository can be.
type release struct {
	// Origin is the address that it was cloned from.
	Origin string `json:"origin"`
	Branch string `json:"branch"`
	Commit string `json:"commit"`
}

const releaseName = ".git/agent-release.json"

// readRelease returns nil where there is none, or none that makes sense.
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

// checkExecutable sees to it that dir/plugin is what can be run: an executable
// file that, wherever symbolic links lead, lies in dir.
func checkExecutable(dir string) error {
	path := filepath.Join(dir, "plugin")
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		info, err = followWithin(dir, path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("has no file named plugin at its top")
	case err != nil:
		return fmt.Errorf("its file plugin cannot be used: %w", err)
	case info.IsDir():
		return errors.New("its plugin is a directory, not an executable file")
	case !info.Mode().IsRegular():
		return errors.New("its plugin is not a regular file")
	case !executable(info.Mode()):
		return errors.New("its file plugin is not executable: run chmod +x plugin and commit that")
	}
	return nil
}

// followWithin follows a symbolic link that may not lead out of dir.
func followWithin(dir, path string) (fs.FileInfo, error) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(target, root+string(filepath.Separator)) || strings.HasPrefix(target, filepath.Join(root, ".git")+string(filepath.Separator)) {
		return nil, errors.New("it is a symbolic link that leads out of the repository")
	}
	return os.Lstat(target)
}
