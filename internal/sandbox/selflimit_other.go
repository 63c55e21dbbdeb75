//go:build !linux

package sandbox

// LimitOwnMemory does nothing on this system.
func LimitOwnMemory(int64) error { return nil }
