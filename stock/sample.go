package stock

import _ "embed" // of the sample

//go:embed sample.conf
var sample string

// SampleConfig returns a config with every key. Optional keys are commented out, with their
// default or, if there is none, an example. Required keys are set. A comment above each key
// explains it.
func SampleConfig() string { return sample }
