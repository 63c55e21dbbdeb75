//go:build !linux

package hostmetrics

// LeftOut is known only on Linux.
func LeftOut(Config, Measurement) []string { return nil }
