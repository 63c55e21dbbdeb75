package spool

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCloseReturnsWhenItsContextEndsThoughTheDiskHangs(t *testing.T) {
	s, err := Open(Config{Dir: t.TempDir()})
	require.NoError(t, err)
	done, err := s.use(t.Context()) // a Put that does not return
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Close(ctx), context.Canceled)
	_, err = s.Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
	done()
	require.NoError(t, s.Close(t.Context()))
}
