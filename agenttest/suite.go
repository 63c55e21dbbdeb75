package agenttest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

const (
	// soon is how long a call may take to return once its context has ended.
	// Ending a plugin may take 2 s, between SIGTERM and SIGKILL.
	soon = 5 * time.Second
	// limit of a context that ends while a call is under way.
	limit = 200 * time.Millisecond
)

// subtest runs f as a subtest and fails it where goroutines are left that were
// not there before, once its cleanups have run.
func subtest(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		before := goleak.IgnoreCurrent()
		t.Cleanup(func() { goleak.VerifyNone(t, before) })
		f(t)
	})
}

// returnsSoon fails the test where call does not return soon, although its
// context has ended before or ends shortly.
func returnsSoon(t *testing.T, what string, call func(ctx context.Context)) {
	t.Helper()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	ending, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for name, ctx := range map[string]context.Context{"has ended": ended, "ends": ending} {
		began := time.Now()
		call(ctx)
		require.Less(t, time.Since(began), soon, "%s takes too long where its context %s", what, name)
	}
}

// bounded returns a context that ends when the suite's patience does.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// turn calls a knob of a subject, and skips the test where there is none.
func turn(t *testing.T, name string, knob func()) {
	t.Helper()
	if knob == nil {
		t.Skipf("the subject has no %s", name)
	}
	knob()
}
