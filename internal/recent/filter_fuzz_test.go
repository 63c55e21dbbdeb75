package recent

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzFilter(f *testing.F) {
	for _, seed := range [][3]string{{"cpu", "cpu.", "idle"}, {"RUN.*", "RUN.", "a"}, {"[a-", "a", ""}, {`\\[x`, "[", "x"}, {"[^a]?*", "b", "c.d"}, {"", "", ""}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, pattern, prefix, rest string) {
		filter, err := NewFilter("web", pattern)
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		require.False(t, filter.Matches("db", prefix+rest))
		if filter.Matches("web", prefix+rest) {
			require.True(t, filter.mayMatch("web", prefix), "a reader would not hear of points that it missed")
		}
		if !strings.ContainsAny(pattern, special+",") {
			require.True(t, filter.Matches("web", pattern))
		}
	})
}
