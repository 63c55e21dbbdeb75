//go:build !linux

package gitrunner

func noexec(string) bool { return false }
