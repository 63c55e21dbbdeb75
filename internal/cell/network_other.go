//go:build !linux

package cell

import (
	"errors"
	"syscall"
)

// CheckNoNetwork says why commands cannot run without network here.
func CheckNoNetwork() error { return errors.New("only Linux can take the network away from a program") }

func withoutNetwork(*syscall.SysProcAttr) {}
