//go:build !linux

package gitrunner

import "time"

// changeTime returns zero: unknown. See changetime_linux.go.
func changeTime(string) time.Time { return time.Time{} }
