// Command nsqd is what the checks of a booted Debian publish to: a real nsqd on
// 127.0.0.1:4150 that prints the points of a topic, as a line each.
//
//	nsqd DIR TOPIC
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/lodastack/agent/internal/nsqdtest"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "nsqd:", err)
		os.Exit(1)
	}
}

// run ends only with an error.
func run(dir, topic string) error {
	server, err := nsqdtest.New(nsqdtest.Options{Addr: "127.0.0.1:4150", Dir: dir})
	if err != nil {
		return err
	}
	defer server.Close()
	consumer, err := server.Consume(topic, "checks")
	if err != nil {
		return err
	}
	defer consumer.Close()
	for message := range consumer.Messages {
		if _, err := fmt.Println(strings.TrimSuffix(string(message), "\n")); err != nil {
			return err
		}
	}
	return nil
}
