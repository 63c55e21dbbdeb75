//go:build !linux

package sandbox

import (
	"errors"
	"syscall"
)

// CheckNoNetwork returns an error: commands cannot run without a network here.
func CheckNoNetwork() error { return errors.New("only Linux can run a program without a network") }

func withoutNetwork(*syscall.SysProcAttr) {}
