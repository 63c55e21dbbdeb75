package sandbox

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// countedBackend counts how often it is closed.
type countedBackend struct {
	backend
	closed atomic.Int32
}

func (b *countedBackend) close() error {
	b.closed.Add(1)
	return b.backend.close()
}

func TestCloseReleasesEverythingOnceAlsoWhenAnEarlierCallDidNotWaitForIt(t *testing.T) {
	s, err := Open(Config{NoCgroup: true})
	require.NoError(t, err)
	b := &countedBackend{backend: s.backend}
	s.backend = b
	require.True(t, s.begin(), "a run is under way")
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Close(soon), context.DeadlineExceeded)
	require.ErrorIs(t, s.Close(soon), context.DeadlineExceeded, "each call waits")
	require.False(t, s.begin(), "no other run begins")
	require.Zero(t, b.closed.Load())
	s.runs.Done()
	require.NoError(t, s.Close(t.Context()))
	require.NoError(t, s.Close(t.Context()))
	require.EqualValues(t, 1, b.closed.Load())
}
