//go:build !linux

package sdnotify

// Reloading says that a reload begins. There is no systemd to hear it here.
func Reloading() string { return "RELOADING=1" }
