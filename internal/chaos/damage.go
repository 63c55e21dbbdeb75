//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// damageSpool flips bytes of a segment in dir, or cuts off its end. It returns what it did, or
// "" if there is no segment.
func damageSpool(random *rand.Rand, dir string) (done string, err error) {
	segments, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil || len(segments) == 0 {
		return "", err
	}
	path := segments[random.IntN(len(segments))]
	content, err := os.ReadFile(path)
	if err != nil || len(content) == 0 {
		return "", err
	}
	if random.IntN(2) == 0 {
		end := random.IntN(len(content))
		return fmt.Sprintf("tear %s at %d of %d", filepath.Base(path), end, len(content)), os.Truncate(path, int64(end))
	}
	n := 1 + random.IntN(8)
	for range n {
		content[random.IntN(len(content))] ^= byte(1 + random.IntN(255))
	}
	return fmt.Sprintf("flip %d bytes of %s", n, filepath.Base(path)), os.WriteFile(path, content, 0o600)
}
