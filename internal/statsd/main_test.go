package statsd

import (
	"testing"

	"go.uber.org/goleak"
)

// A server leaves no goroutine.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
