package agent

import (
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/go-multierror"
)

// newError is everything that is wrong with the options of an agent.
type newError struct{ faults *multierror.Error }

// Error names all faults in one line, as a log wants them.
func (e *newError) Error() string { return "make an agent: " + e.join("; ") }

// Unwrap returns the faults.
func (e *newError) Unwrap() error { return e.faults }

// Format writes a line for each fault where the verb is %+v, as a person wants
// them on a terminal, and else the one line.
func (e *newError) Format(s fmt.State, verb rune) {
	text := e.Error()
	switch {
	case verb == 'q':
		text = fmt.Sprintf("%q", text)
	case verb == 'v' && s.Flag('+') && len(e.faults.Errors) > 1:
		text = "make an agent:\n  - " + e.join("\n  - ")
	}
	_, _ = io.WriteString(s, text) // as fmt does, which cannot tell either
}

func (e *newError) join(separator string) string {
	faults := make([]string, len(e.faults.Errors))
	for i, fault := range e.faults.Errors {
		faults[i] = strings.ReplaceAll(fault.Error(), "\n", separator) // options join what is wrong with their values
	}
	return strings.Join(faults, separator)
}
