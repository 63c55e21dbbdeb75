//go:build !linux

package hostmetrics

import "time"

// commonKinds returns the kinds that work in the same way on every system but
// Linux.
func commonKinds(c Config) []Kind {
	return []Kind{
		{Name: "TIME", Every: 300 * time.Second, Collector: newClock(c)},
		{Name: "COREDUMP", Every: 60 * time.Second, Collector: newCoredumps(c)},
		{Name: "PORT", Every: 60 * time.Second, Assigned: ports{c.Root}},
	}
}
