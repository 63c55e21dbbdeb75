package sandbox

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// openDescriptors returns how many descriptors this program has.
func openDescriptors(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(list)
}

func TestRunLeavesNoDescriptorWhereItsProcessCannotBeWatched(t *testing.T) {
	s, err := Open(Config{})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close(t.Context())) }()
	s.waiters.none = true
	run := func() {
		res, err := s.Run(t.Context(), Command{Path: "/bin/sh", Args: []string{"-c", "exit 3"}, Dir: "/"})
		require.NoError(t, err)
		require.Equal(t, 3, res.ExitCode)
	}
	run() // what is kept from one run to the next is there
	before := openDescriptors(t)
	for range 20 {
		run()
	}
	require.Equal(t, before, openDescriptors(t))
}
