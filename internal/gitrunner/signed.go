package gitrunner

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/plugins"
	"github.com/lodastack/agent/internal/policy"
	"github.com/lodastack/agent/internal/repopath"
	"github.com/lodastack/agent/internal/signature"
)

// signed is the record of a verified signature.
type signed struct {
	// Signer is the principal of the allowed_signers file.
	Signer string `json:"signer"`
	// At is when the signature was verified: keys need to be valid then.
	At time.Time `json:"at"`
	// Version is what was verified, so that it can be verified again.
	Version signature.Version `json:"version"`
}

// unsigned returns the refusal of a version that no allowed signer has signed.
func unsigned(err error) error {
	return &agent.PolicyError{Rule: policy.KeySigners, Err: &policy.Refusal{Key: policy.KeySigners, Reason: err.Error()}}
}

// verify returns who has signed the version in dir, which is not checked out yet. It
// returns nil if the policy names no signers. The newest release, and a tag that was
// moved, must not be older than the installed version. A version that the registry newly
// names may be older.
func (r *Runner) verify(ctx context.Context, dir string, v version, c change) (*signed, error) {
	if c.terms.rules.Signers == "" {
		return nil, nil
	}
	objects, err := r.readObjects(ctx, dir, v)
	if err != nil {
		return nil, err
	}
	signers, err := signature.ReadSigners(c.terms.rules.Signers)
	if err != nil {
		return nil, unsigned(err)
	}
	now := time.Now()
	signer, err := objects.Signer(signers, now)
	if err != nil {
		return nil, unsigned(err)
	}
	if c.mayNotBeOlder(v) {
		if err := objects.CheckNewer(c.last.Signed.Version); err != nil {
			return nil, unsigned(fmt.Errorf("%w; make a new commit, or name the version in the registry", err))
		}
	}
	return &signed{signer, now, objects}, nil
}

// mayNotBeOlder reports whether the server of the repository has chosen v, and not the
// registry or a user of this host.
func (c change) mayNotBeOlder(v version) bool {
	return c.last != nil && c.last.Signed != nil && c.by != plugins.ByRollback && (v.Version == "" || v.Version == c.last.Version)
}

// readObjects reads the objects that can contain a signature.
func (c *client) readObjects(ctx context.Context, dir string, v version) (signature.Version, error) {
	objects := signature.Version{ID: v.Commit}
	if !repopath.IsCommit(v.Version) {
		objects.TagName = v.Version
	}
	raw, err := c.git(ctx, dir, "cat-file", "commit", v.Commit)
	objects.Commit = []byte(raw)
	if err == nil && v.Tag != "" {
		raw, err = c.git(ctx, dir, "cat-file", "tag", v.Tag)
		objects.Tag = []byte(raw)
	}
	return objects, err
}

// checkFiles returns an error unless dir holds exactly the files that were signed.
func (r *Runner) checkFiles(dir string, s *signed) error {
	want, err := s.Version.Tree()
	if err != nil {
		return err
	}
	got, err := signature.TreeOf(dir, len(want), r.config.MaxSize)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("the files in %s are not those of the signed commit %s", dir, s.Version.ID)
	}
	return nil
}

// errFiltered explains why files differ that nobody has changed.
var errFiltered = errors.New("git changes files on checkout if .gitattributes or git's configuration set eol, ident, filter or working-tree-encoding: remove that")

// checkInstalled returns an error if the policy names signers, and none of them has
// signed the installed version. It verifies that once for each policy, because only the
// agent's user can change the files. If plugins run as that user, it compares the
// files each time.
func (r *Runner) checkInstalled(s *slot, t terms) error {
	if t.rules.Signers == "" {
		return nil
	}
	rel := s.installed()
	if rel == nil {
		if _, err := os.Lstat(s.dir); errors.Is(err, fs.ErrNotExist) {
			return nil // there is nothing to run
		}
		return unsigned(errors.New("it was installed without a record of its signer; run agent plugin update to fetch it again"))
	}
	if !s.isVerified(rel, t.rules) {
		if err := r.verifyAgain(s.dir, rel, t.rules.Signers); err != nil {
			return unsigned(err)
		}
		s.setVerified(rel, t.rules)
		return nil
	}
	if t.owner.user == nil {
		if err := r.checkFiles(s.dir, rel.Signed); err != nil {
			return unsigned(fmt.Errorf("%w; run agent plugin update to fetch it again", err))
		}
	}
	return nil
}

// verifyAgain verifies a version that was installed under another policy, or before the
// runner was made. by is the file of the signers.
func (r *Runner) verifyAgain(dir string, rel *release, by string) error {
	if rel.Signed == nil || rel.Signed.Version.ID != rel.Commit {
		return fmt.Errorf("commit %s was installed without a check of its signature; run agent plugin update to fetch it again", rel.Commit)
	}
	signers, err := signature.ReadSigners(by)
	if err != nil {
		return err
	}
	if _, err := rel.Signed.Version.Signer(signers, rel.Signed.At); err != nil {
		return err
	}
	return r.checkFiles(dir, rel.Signed)
}
