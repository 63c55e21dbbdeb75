// Package postbody reads what is posted to the agent: JSON lists of metrics,
// and line protocol.
//
// Both readers pass on one point after the other, so that the caller can stop them. They
// check only syntax and types. The agent checks the names.
package postbody

import "fmt"

// byteOrderMark is what some Windows programs write before UTF-8.
const byteOrderMark = "\ufeff"

// Point is one posted value. Its fields are those of the agent's Metric.
type Point struct {
	Name      string
	Timestamp int64
	Tags      map[string]string
	Value     any
}

// PointError is the error of one point.
type PointError struct {
	// Index of the point in the body, from 0.
	Index int
	// Name of the point, as far as it was read.
	Name string
	Err  error
}

func (e *PointError) Error() string {
	return fmt.Sprintf("metric %d (%.100q): %v", e.Index, e.Name, e.Err)
}

// Unwrap returns what is wrong with the point.
func (e *PointError) Unwrap() error { return e.Err }
