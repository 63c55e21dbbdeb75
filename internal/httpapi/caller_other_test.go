//go:build !linux

package httpapi_test

// callerMode is a variable that has no use on this system.
const callerMode = "HTTPAPI_TEST_CALLER"

func beCaller(string) int { return 1 }
