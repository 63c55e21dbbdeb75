package agenttest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const (
	// soon is how long a call may take to return after its context has ended.
	// Killing a plugin may take 2 s, between SIGTERM and SIGKILL.
	soon = 5 * time.Second
	// limit is the timeout of a context that ends during a call.
	limit = 200 * time.Millisecond
)

// subtest runs f as a subtest. After its cleanups, it fails the subtest if
// there are new goroutines.
func subtest(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		t.Cleanup(func() { goleak.VerifyNone(t, before) })
		f(t)
	})
}

// returnsSoon fails the test if call does not return soon after its context has
// ended. It tries a context that has ended before the call, and one that ends
// during it.
func returnsSoon(t *testing.T, what string, call func(ctx context.Context)) {
	t.Helper()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	ending, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for name, ctx := range map[string]context.Context{"has ended": ended, "ends": ending} {
		began := time.Now()
		call(ctx)
		require.Less(t, time.Since(began), soon, "%s takes too long when its context %s", what, name)
	}
}

// bounded returns a context with the timeout of the suite.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// turn calls a knob of a subject, and skips the test if there is none.
func turn(t *testing.T, name string, knob func()) {
	t.Helper()
	if knob == nil {
		t.Skipf("the subject has no %s", name)
	}
	knob()
}
