//go:build !unix

package terminal

import "os"

// windowHeight says that file is no terminal that can place text.
func windowHeight(*os.File) (lines int, isTerminal bool) { return 0, false }

// Resized returns a channel that never gets a value.
func Resized() (resized <-chan os.Signal, stop func()) { return nil, func() {} }
