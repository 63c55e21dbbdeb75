//go:build !linux

package gitrunner

// exchange swaps two directories.
func exchange(a, b string) error { return exchangeBySteps(a, b) }

// settle does nothing: the system decides when the content of dir goes to disk.
func settle(string) error { return nil }
