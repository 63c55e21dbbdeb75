//go:build !linux

package hostmetrics

// systemKinds returns nothing: what is not known to be measured right is
// absent.
func systemKinds(Config) []Kind { return nil }
