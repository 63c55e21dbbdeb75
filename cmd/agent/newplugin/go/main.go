// The plugin tells how many entries directories have.
//
//	Measures  entries{dir}
//	Takes     the directories; /tmp by default
//	Fails     when a directory cannot be read
//
// The agent runs an executable file named plugin, so build one:
//
//	CGO_ENABLED=0 go build -o plugin .
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// metric is what the agent reads. It puts PLUGIN.<plugin>. before the name, and
// adds the tag host and the time.
type metric struct {
	Name  string            `json:"name"`
	Value float64           `json:"value"`
	Tags  map[string]string `json:"tags,omitempty"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dirs []string) error {
	if len(dirs) == 0 {
		dirs = []string{"/tmp"}
	}
	var metrics []metric
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		metrics = append(metrics, metric{Name: "entries", Value: float64(len(entries)), Tags: map[string]string{"dir": dir}})
	}
	return json.NewEncoder(os.Stdout).Encode(metrics)
}
