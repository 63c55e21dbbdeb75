package gitrunner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/lodastack/agent/internal/signature"
	"github.com/lodastack/agent/internal/statefile"
)

// RepositoryConfig names a repository whose files are read, and not run.
type RepositoryConfig struct {
	// Address as git takes it: git://, http://, https://, ssh:// or file://.
	Address string
	// Branch whose head is read. Empty: the repository's default branch.
	Branch string
	// GitUser as in [Config], and PluginsUser, which is its User.
	GitUser, PluginsUser string
	// Dir is where the repository is fetched to, for as long as that takes. Empty: the
	// system's directory for temporary files.
	Dir string
	// Kept is where the last head is kept over restarts. Empty: nowhere.
	Kept statefile.Dir
	// Signers is an allowed_signers file: one of them must have signed the head. Empty:
	// nobody has to.
	Signers string
	// Timeout for one call of Head or Fetch. Zero: 2 minutes.
	Timeout time.Duration
	// MaxSize limits the transfer and the files of a head, in bytes. Zero: 64 MiB.
	MaxSize int64
	// MaxFiles limits its files and directories. Zero: 20,000.
	MaxFiles int
	// Logger for messages about the sandbox of git. Nil: no logging.
	Logger *slog.Logger
}

// Repository is a repository whose files are read. It keeps nothing but the last head on disk,
// and runs nothing between two calls. Its methods may be called concurrently.
type Repository struct {
	config   RepositoryConfig
	template template

	mu   sync.Mutex
	last signature.Version // guarded by mu: the last head; its zero value: none is known
}

// OpenRepository checks the config. It does not ask the repository yet.
func OpenRepository(config RepositoryConfig) (*Repository, error) {
	if config.Timeout <= 0 {
		config.Timeout = 2 * time.Minute
	}
	if config.MaxSize <= 0 {
		config.MaxSize = 64 << 20
	}
	if config.MaxFiles <= 0 {
		config.MaxFiles = 20_000
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	t, err := parseAddress(config.Address)
	if err != nil {
		return nil, err
	}
	if config.Branch != "" {
		if err := CheckBranch(config.Branch); err != nil {
			return nil, err
		}
	}
	return &Repository{config: config, template: t}, nil
}

// Name returns the address without a password, and the branch.
func (r *Repository) Name() string {
	if r.config.Branch == "" {
		return "git+" + r.template.text
	}
	return "git+" + r.template.text + "#" + r.config.Branch
}

// Head returns the commit in which the branch ends.
func (r *Repository) Head(ctx context.Context) (commit string, err error) {
	err = r.with(ctx, func(ctx context.Context, c *client) error {
		out, err := c.git(ctx, c.gitDir, "ls-remote", "--", r.template.text, r.ref())
		if err != nil {
			return err
		}
		if commit = parseRefs(out)[r.ref()]; commit == "" {
			return fmt.Errorf("the repository has no %s: push it, or name another branch", r.called())
		}
		return nil
	})
	return commit, err
}

// ref is the name of the branch in the repository.
func (r *Repository) ref() string {
	if r.config.Branch == "" {
		return "HEAD"
	}
	return headsPrefix + r.config.Branch
}

// called is what messages call the branch.
func (r *Repository) called() string {
	if r.config.Branch == "" {
		return "default branch with a commit"
	}
	return "branch " + r.config.Branch
}

// Head is a commit of a repository.
type Head struct {
	Commit string
	// Date of its author, which anybody can set.
	Date time.Time
	// Signer of the commit; empty: nobody had to sign it.
	Signer string
	// Files are the entries of one directory, in order of their names.
	Files []HeadFile
}

// Fetch fetches the head of the branch, and reads the files in a directory of it whose
// names end in suffix. Directories and submodules there are returned, too, without what is in
// them. A larger file than maxFile bytes is an error.
func (r *Repository) Fetch(ctx context.Context, dir, suffix string, maxFile int64) (head Head, err error) {
	err = r.with(ctx, func(ctx context.Context, c *client) error {
		if _, err := c.git(ctx, c.gitDir, "init", "--quiet", "--template="); err != nil {
			return err
		}
		if err := c.fetchRefs(ctx, c.gitDir, r.template.text, "1", "+"+r.ref()+":"+fetchedRef); err != nil {
			return err
		}
		commit, err := c.git(ctx, c.gitDir, "rev-parse", "--verify", "--quiet", fetchedRef+"^{commit}")
		if err != nil {
			return fmt.Errorf("the %s ends in no commit: %w", r.called(), err)
		}
		head.Commit = strings.TrimSpace(commit)
		if err := c.checkTree(ctx, c.gitDir, head.Commit); err != nil {
			return err
		}
		objects, err := c.readObjects(ctx, c.gitDir, version{Commit: head.Commit})
		if err != nil {
			return err
		}
		now := time.Now()
		if head.Signer, err = r.signer(objects, now); err != nil {
			return err
		}
		head.Date = objects.Authored()
		if head.Files, err = c.readFiles(ctx, head.Commit, dir, suffix, maxFile); err != nil {
			return err
		}
		r.keep(keptHead{objects, now, head.Files})
		return nil
	})
	return head, err
}

// signer returns who has signed a head, if that is necessary. The head must not be older than
// the last one then.
func (r *Repository) signer(head signature.Version, now time.Time) (string, error) {
	if r.config.Signers == "" {
		return "", nil
	}
	signer, err := signedBy(head, r.config.Signers, now)
	if err != nil {
		return "", unsigned(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last.ID != "" {
		if err := head.CheckNewer(r.last); err != nil {
			return "", unsigned(fmt.Errorf("%w; make a new commit, with a later date (GIT_COMMITTER_DATE) if that of the other is wrong", err))
		}
	}
	return signer, nil
}

// with calls do with a client that works in a directory of its own.
func (r *Repository) with(ctx context.Context, do func(ctx context.Context, c *client) error) (err error) {
	const limit = "the limit of a repository that is only read"
	c := &client{
		template: r.template, called: r.Name(), sizeKey: limit, filesKey: limit,
		gitTimeout: r.config.Timeout, maxSize: r.config.MaxSize, maxFiles: r.config.MaxFiles,
	}
	if c.gitUser, err = lookupGitUser(r.config.GitUser, r.config.PluginsUser, r.template, os.Geteuid()); err != nil {
		return fmt.Errorf("agent.gituser: %w", err)
	}
	// First the sandbox: it ends the git that a killed agent has left, which writes to its
	// directory.
	if c.gitSandbox, err = openGitSandbox(false, r.config.Logger); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.gitSandbox.Close(context.WithoutCancel(ctx))) }()
	var remove func() error
	if c.gitDir, remove, err = r.workDir(c.gitUser); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	c.ssh = sync.OnceValue(c.sshEnv)
	ctx, cancel := c.withGitTimeout(ctx)
	defer cancel()
	return do(ctx, c)
}

// workDir returns a new directory of git's user. It removes those that an agent has left
// that was killed.
func (r *Repository) workDir(u gitUser) (dir string, remove func() error, err error) {
	if r.config.Dir == "" {
		if dir, err = os.MkdirTemp("", "agent-fleet-"); err != nil {
			return "", nil, fmt.Errorf("make a directory to fetch to: %w", err)
		}
		remove = func() error { return os.RemoveAll(dir) }
	} else {
		s, err := r.openSession()
		if err != nil {
			return "", nil, err
		}
		remove = s.close
		if dir, err = s.tempDir(); err != nil {
			return "", nil, errors.Join(err, remove())
		}
	}
	if err := errors.Join(u.give(dir), u.checkAccess(dir)); err != nil {
		return "", nil, errors.Join(err, remove())
	}
	return dir, remove, nil
}

// openSession opens a session in a directory of this repository's own. Repositories that
// are read at the same time would take each other's new sessions for dead ones.
func (r *Repository) openSession() (*session, error) {
	heads := filepath.Join(r.config.Dir, headsName)
	if err := errors.Join(makeDir(r.config.Dir, 0o755), makeDir(heads, 0o711)); err != nil {
		return nil, fmt.Errorf("agent.pluginsdir: %w", err)
	}
	return openSession(heads, r.id())
}
