package signature_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/gittest"
	"github.com/lodastack/agent/internal/signature"
)

// BenchmarkSigner is the verification of one commit.
func BenchmarkSigner(b *testing.B) {
	for _, kind := range []string{"ed25519", "ecdsa", "rsa -b 3072"} {
		key := gittest.NewKey(b, kind)
		payload := at(1000).Commit
		v, known := signedWith(payload, key.Sign("git", payload)), signers(b, "anna "+key.Public())
		b.Run(strings.Fields(kind)[0], func(b *testing.B) {
			for b.Loop() {
				_, err := v.Signer(known, time.Now())
				require.NoError(b, err)
			}
		})
	}
}

// BenchmarkTreeOf is what each start of a plugin costs if its user is the
// agent's own and policy.signers is set.
func BenchmarkTreeOf(b *testing.B) {
	for _, c := range []struct{ files, size int }{{2, 4 << 10}, {50, 20 << 10}, {1000, 10 << 10}, {1, 10 << 20}} {
		b.Run(fmt.Sprintf("%dx%dKiB", c.files, c.size>>10), func(b *testing.B) {
			repo := newRepo(b)
			for i := range c.files {
				repo.Write(fmt.Sprintf("dir%d/file%d", i%10, i), strings.Repeat("x", c.size), 0o644)
			}
			b.ReportAllocs()
			for b.Loop() {
				_, err := signature.TreeOf(repo.Dir, 40, 1<<30)
				require.NoError(b, err)
			}
		})
	}
}
