package agent

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// PanicError is the error of a part (a collector, an output, …) that panicked.
type PanicError struct {
	// Value that was given to panic.
	Value any
	// Stack of the goroutine, for a bug report.
	Stack string
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// recovered calls f, a call of a part that somebody else may have written, and
// returns its panic as an error, so that no part takes the agent down.
func recovered(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: string(debug.Stack())}
		}
	}()
	return f()
}

// stackOf returns a log attribute with the stack where err is a panic.
func stackOf(err error) []any {
	var panicked *PanicError
	if !errors.As(err, &panicked) {
		return nil
	}
	return []any{"stack", panicked.Stack}
}
