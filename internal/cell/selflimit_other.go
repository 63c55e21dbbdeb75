//go:build !linux

package cell

// LimitOwnMemory does nothing on this system.
func LimitOwnMemory(int64) error { return nil }
