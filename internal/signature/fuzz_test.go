package signature_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lodastack/agent/internal/gittest"
	"github.com/lodastack/agent/internal/signature"
)

// FuzzSigner looks for a commit, a tag or a list of signers on which the
// verification panics, and for a signature of what was not signed.
func FuzzSigner(f *testing.F) {
	key := gittest.NewKey(f, "ed25519")
	payload := at(1000).Commit
	signedCommit := signedWith(payload, key.Sign("git", payload)).Commit
	tag := "object " + at(1000).ID + "\ntype commit\ntag v1\ntagger a <a@b> 1 +0000\n\nx\n"
	tag += key.Sign("git", []byte(tag))
	file := `anna namespaces="git",valid-before="20990101Z" ` + key.Public()
	f.Add(string(signedCommit), tag, file)
	f.Add(string(payload), tag, "# x\n\""+file)
	known := signers(f, file)
	f.Fuzz(func(t *testing.T, commit, tag, file string) {
		v := signature.Version{ID: sha1ID(commit), Commit: []byte(commit), TagName: "v1", Tag: []byte(tag)}
		if s, err := signature.ParseSigners("signers", []byte(file)); err == nil {
			v.Signer(s, time.Now())
		}
		tree, _ := v.Tree()
		v.CheckNewer(signature.Version{ID: at(1000).ID, Commit: payload})
		if _, err := v.Signer(known, time.Now()); err == nil {
			ofCommit := tree == "4b825dc642cb6eb9a060e54bf8d69288fbee4904" && strings.HasSuffix(commit, "\n\nx\n")
			if !ofCommit && v.ID != at(1000).ID {
				t.Fatalf("verified:\n%q\n%q", commit, tag)
			}
		}
	})
}
