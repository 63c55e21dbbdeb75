//go:build race

package spool_test

// raceDetector reports whether the race detector is on. Memory is then several
// times what it is without.
const raceDetector = true
