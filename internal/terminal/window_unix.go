//go:build unix

package terminal

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// windowHeight returns how many lines the window of a terminal has, 0 if that is not known,
// and whether file is a terminal.
func windowHeight(file *os.File) (lines int, isTerminal bool) {
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, false
	}
	return int(size.Row), true
}

// Resized returns a channel that gets a value when the size of the terminal's window changes,
// until stop is called.
func Resized() (resized <-chan os.Signal, stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGWINCH)
	return signals, func() { signal.Stop(signals) }
}
