package cell

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// countedBlock counts how often it is closed.
type countedBlock struct {
	block
	closed atomic.Int32
}

func (b *countedBlock) close() error {
	b.closed.Add(1)
	return b.block.close()
}

func TestCloseReleasesEverythingOnceAlsoWhenAnEarlierCallDidNotWaitForIt(t *testing.T) {
	w, err := Open(Config{NoCgroup: true})
	require.NoError(t, err)
	b := &countedBlock{block: w.block}
	w.block = b
	require.True(t, w.begin(), "a run is under way")
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, w.Close(soon), context.DeadlineExceeded)
	require.ErrorIs(t, w.Close(soon), context.DeadlineExceeded, "each call waits")
	require.False(t, w.begin(), "no other run begins")
	require.Zero(t, b.closed.Load())
	w.runs.Done()
	require.NoError(t, w.Close(t.Context()))
	require.NoError(t, w.Close(t.Context()))
	require.EqualValues(t, 1, b.closed.Load())
}
