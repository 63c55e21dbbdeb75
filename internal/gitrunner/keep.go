package gitrunner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/lodastack/agent/internal/plugins"
)

const (
	// keptBefore is how many versions are kept besides the installed one.
	keptBefore = 2
	// keptRefs name them, the newest first.
	keptRefs = "refs/agent/before/"
	packDir  = ".git/objects/pack"
)

// beforeInstalling returns the versions to keep when v replaces current, the newest
// first.
func beforeInstalling(v version, by string, current *release) []version {
	if current == nil {
		return nil
	}
	all := append([]version{current.version}, current.Before...)
	if by == plugins.ByRollback {
		all = current.Before
	}
	var before []version
	for _, b := range all {
		if b.Commit != v.Commit && len(before) < keptBefore {
			before = append(before, b)
		}
	}
	return before
}

// keep copies the former versions from the plugin's slot into the clone of v, which will
// replace it. It makes one pack of all objects: the versions share common objects, and
// objects of no version are dropped. It returns the versions that could be kept. A new
// version is installed even if there is no room for old ones, or if they are damaged.
func (r *Runner) keep(ctx context.Context, clone, place string, v version, before []version) ([]version, error) {
	asked := len(before)
	if asked == 0 && !isDir(filepath.Join(clone, ".git", soughtRefs)) {
		return nil, nil // there is one commit in one pack
	}
	var why error
	if asked > 0 {
		if why = r.adopt(ctx, clone, place); why != nil {
			before = nil
		}
	}
	for i, b := range before {
		if _, err := r.git(ctx, clone, "update-ref", keptRefs+strconv.Itoa(i), b.object()); err != nil {
			before, why = before[:i], err
			break
		}
	}
	for {
		err := r.pack(ctx, clone, v, before)
		if err != nil && len(before) > 0 && ctx.Err() == nil {
			before, why = before[:len(before)-1], err
			_, err = r.git(ctx, clone, "update-ref", "-d", keptRefs+strconv.Itoa(len(before)))
			if err == nil {
				continue
			}
		}
		if err == nil && len(before) < asked {
			r.config.Logger.Warn("former versions of a plugin cannot be kept, so there is no rollback to them",
				"plugin", place, "versions", asked-len(before), "error", why)
		}
		return before, err
	}
}

func isDir(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.IsDir()
}

// pack makes one pack of the versions' objects, without their history.
func (r *Runner) pack(ctx context.Context, clone string, v version, before []version) error {
	root, err := os.OpenRoot(clone) // git's user may have put links there
	if err != nil {
		return err
	}
	defer root.Close()
	var shallow strings.Builder
	for _, b := range append([]version{v}, before...) {
		fmt.Fprintln(&shallow, b.Commit)
	}
	if err := errors.Join(root.RemoveAll(".git/"+soughtRefs), r.writeFor(root, ".git/shallow", strings.NewReader(shallow.String()))); err != nil {
		return fmt.Errorf("keeping the former versions: %w", err)
	}
	_, err = r.git(ctx, clone, "repack", "-a", "-d", "--quiet")
	return err
}

// adopt copies the packs of an installed plugin into a clone. git computes the names of
// their objects anew, and so detects a damaged pack.
func (r *Runner) adopt(ctx context.Context, clone, place string) error {
	packs, err := os.ReadDir(filepath.Join(place, packDir))
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(clone)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, entry := range packs {
		name := packDir + "/" + entry.Name()
		if filepath.Ext(name) != ".pack" {
			continue
		}
		if _, err := root.Lstat(name); err == nil {
			continue // a pack's name comes from its content
		}
		if err := r.copyPack(ctx, root, clone, place, name); err != nil {
			return errors.Join(fmt.Errorf("keeping the former versions: %w", err), root.Remove(name))
		}
	}
	return nil
}

func (r *Runner) copyPack(ctx context.Context, root *os.Root, clone, place, name string) error {
	pack, err := os.Open(filepath.Join(place, name))
	if err != nil {
		return err
	}
	defer pack.Close()
	if err := r.writeFor(root, name, pack); err != nil {
		return err
	}
	_, err = r.git(ctx, clone, "index-pack", name)
	return err
}

// writeFor writes a file that belongs to git's user.
func (r *Runner) writeFor(root *os.Root, name string, content io.Reader) error {
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	if u := r.gitUser.user; u != nil {
		err = errors.Join(err, file.Chown(int(u.UID), int(u.GID)))
	}
	return errors.Join(err, file.Close())
}
