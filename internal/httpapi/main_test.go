package httpapi_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if mode := os.Getenv(callerMode); mode != "" {
		os.Exit(beCaller(mode))
	}
	goleak.VerifyTestMain(m)
}
