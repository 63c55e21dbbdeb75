package waitgroup_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/waitgroup"
)

func TestWaitEndsWithTheGroupOrTheContext(t *testing.T) {
	for name, test := range map[string]struct {
		takes, limit, want time.Duration
		err                error
	}{
		"group first":   {time.Second, time.Minute, time.Second, nil},
		"context first": {time.Minute, time.Second, time.Second + time.Millisecond, context.DeadlineExceeded},
		"ended before":  {0, 0, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var group sync.WaitGroup
				group.Go(func() { time.Sleep(test.takes) })
				ctx, cancel := context.WithTimeout(t.Context(), test.limit)
				defer cancel()
				began := time.Now()
				err := waitgroup.Wait(ctx, &group)
				took := time.Since(began)
				group.Wait() // so that the bubble can end
				require.ErrorIs(t, err, test.err)
				require.Equal(t, test.want, took)
			})
		})
	}
}
