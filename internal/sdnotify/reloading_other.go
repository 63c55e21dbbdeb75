//go:build !linux

package sdnotify

// Reloading says that a reload begins. There is no systemd here to receive it.
func Reloading() string { return "RELOADING=1" }
