package gitrunner

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizesAreWrittenForPeople(t *testing.T) {
	for bytes, want := range map[int64]string{
		0: "0 bytes", 1023: "1023 bytes", 1 << 10: "1 KiB", 1<<20 - 1<<10: "1023 KiB", 1 << 20: "1 MiB", 3 << 19: "1.5 MiB", 1 << 30: "1 GiB",
	} {
		require.Equal(t, want, size(bytes))
	}
}
