package postbody

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ReadJSON hands the metrics of a JSON list to add, and returns the first
// error, be it add's.
func ReadJSON(body string, add func(Point) error) error {
	decoder := json.NewDecoder(strings.NewReader(body))
	if token, err := decoder.Token(); err != nil || token != json.Delim('[') {
		return errors.New("the body is no JSON list of metrics")
	}
	for i := 0; decoder.More(); i++ {
		var p Point
		if err := decoder.Decode(&p); err != nil {
			return &PointError{Index: i, Name: p.Name, Err: err}
		}
		if err := add(p); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return fmt.Errorf("the list has no end: %w", err)
	}
	return nil
}
