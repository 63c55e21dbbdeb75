//go:build !linux

package hostmetrics

import "time"

// systemKinds returns what is measured alike everywhere. What is not known to
// be measured right is absent.
func systemKinds(c Config) []Kind {
	return []Kind{
		{"TIME", 300 * time.Second, clock{c.NTPServers}},
		{"COREDUMP", 60 * time.Second, newCoredumps(c)},
		{"PORT", 60 * time.Second, ports{}},
	}
}
