package cell

import (
	"os"
	"syscall"
)

// launch is how to start a process.
type launch struct {
	path  string
	argv  []string
	dir   string
	env   []string
	files []*os.File // its descriptors from 0 on
	sys   *syscall.SysProcAttr
}

// exit is how a process ended, and what it used.
type exit struct {
	code   int // -1 where a signal ended it
	signal syscall.Signal
	usage  Usage
}
