package editdistance

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDistanceCountsInsertedRemovedAndReplacedBytes(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"cpu", "cpu", 0}, {"", "cpu", 3}, {"cpu.idel", "cpu.idle", 2}, {"listen", "listn", 1}, {"mem", "men", 1},
	} {
		require.Equal(t, test.want, Of(test.a, test.b), "%q to %q", test.a, test.b)
		require.Equal(t, test.want, Of(test.b, test.a), "%q to %q", test.b, test.a)
	}
}
