package gitrunner

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/lodastack/agent/internal/signature"
)

// keptHead is the last head of a repository that was fetched, as it is kept on disk.
type keptHead struct {
	Version signature.Version `json:"version"`
	// At is when it was fetched: the signer's key needs to be valid then.
	At    time.Time  `json:"at"`
	Files []HeadFile `json:"files"`
}

// keep notes a head that may be used as the last one, here and on disk. A disk on which it
// cannot be written costs a fetch after the next start.
func (r *Repository) keep(head keptHead) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = head.Version
	if err := r.config.Kept.Save(r.id()+".json", head); err != nil {
		r.config.Logger.Warn("the head of the fleet repository is not kept, so the next start fetches it again", "repository", r.Name(), "error", err)
	}
}

// Kept returns the last head that Fetch has returned, in this run of the program or an
// earlier one. There is none if nobody who may sign now has signed it. After it, a head that
// is older is refused as it would be in that run.
func (r *Repository) Kept() (head Head, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var kept keptHead
	if err := r.config.Kept.Load(r.id()+".json", &kept); err != nil {
		r.config.Logger.Warn("the head of the fleet repository was not kept well, so it is fetched again", "repository", r.Name(), "error", err)
		return Head{}, false
	}
	if kept.Version.ID == "" {
		return Head{}, false
	}
	head = Head{Commit: kept.Version.ID, Date: kept.Version.Authored(), Files: kept.Files}
	if r.config.Signers != "" {
		signer, err := signedBy(kept.Version, r.config.Signers, kept.At)
		if err != nil {
			return Head{}, false // Fetch says why, if the head is still the same
		}
		head.Signer = signer
	}
	r.last = kept.Version
	return head, true
}

// signedBy returns who of a file of signers has signed a version.
func signedBy(v signature.Version, file string, at time.Time) (string, error) {
	signers, err := signature.ReadSigners(file)
	if err != nil {
		return "", err
	}
	return v.Signer(signers, at)
}

// id is a name for files and directories of the repository and its branch.
func (r *Repository) id() string {
	sum := sha256.Sum256([]byte(r.Name()))
	return hex.EncodeToString(sum[:8])
}
