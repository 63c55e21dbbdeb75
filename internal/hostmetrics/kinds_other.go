//go:build !linux

package hostmetrics

import "time"

// systemKinds returns what is measured alike everywhere. What is not known to
// be measured right is absent.
func systemKinds(Config) []Kind {
	return []Kind{
		{"PORT", 60 * time.Second, ports{}},
	}
}
