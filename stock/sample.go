package stock

import _ "embed" // of the sample

//go:embed sample.conf
var sample string

// SampleConfig returns a config with each key, commented out with its default,
// or with an example if there is none. What is required is set. A comment
// above each key has its meaning.
func SampleConfig() string { return sample }
