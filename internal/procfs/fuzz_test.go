package procfs_test

import (
	"testing"

	"github.com/lodastack/agent/internal/procfs"
	"github.com/stretchr/testify/require"
)

func FuzzParseMounts(f *testing.F) {
	f.Add("36 35 98:0 /sub /mnt\\0402 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n")
	f.Add("40 36 0:33 / /a\\134040b\\012c\\043 ro - tmpfs  ro,size=4k\nx\n")
	f.Fuzz(func(t *testing.T, content string) {
		mounts, err := procfs.ParseMounts([]byte(content))
		for _, m := range mounts {
			require.NotEmpty(t, m.Options)
			require.NotEmpty(t, m.SuperOptions)
		}
		if len(mounts) == 0 && content != "" {
			require.Error(t, err)
		}
	})
}

func FuzzParseStat(f *testing.F) {
	f.Add("101 (nginx)" + tail)
	f.Add("101 (a) S 1) " + tail)
	f.Fuzz(func(t *testing.T, content string) {
		s, ok := procfs.ParseStat([]byte(content))
		require.False(t, ok && (s.State == 0 || s.Parent < -1 || s.Session < -1 || s.Threads < -1))
	})
}
