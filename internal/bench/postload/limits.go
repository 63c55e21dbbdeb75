//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/lodastack/agent/internal/lineproto"
	"github.com/lodastack/agent/internal/postbody"
)

// alone returns the CPU time, in seconds, that decoding a million metrics of
// the bodies and encoding them as line protocol takes, with garbage collection
// and nothing else.
func alone(bodies []string) (float64, error) {
	const metrics = 200_000
	var lines []byte
	var encoder lineproto.Encoder
	runtime.GC()
	before, err := ownCPU()
	if err != nil {
		return 0, err
	}
	for n := range metrics / metricsPerPost {
		points := make([]postbody.Point, 0, metricsPerPost)
		err := postbody.ReadJSON(bodies[n%len(bodies)], func(p postbody.Point) error {
			points = append(points, p)
			return nil
		})
		if err != nil {
			return 0, err
		}
		lines = lines[:0]
		for _, p := range points {
			if lines, err = encoder.AppendPoint(lines, p.Name, p.Tags, p.Value, p.Timestamp); err != nil {
				return 0, err
			}
		}
	}
	after, err := ownCPU()
	return (after - before).Seconds() * 1e6 / metrics, err
}

// ownCPU returns the CPU time that this process has used.
func ownCPU() (time.Duration, error) {
	var usage syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), err
}

// runBare is the process of an HTTP server that reads bodies and does nothing
// with them. It prints its address.
func runBare() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	server := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	})}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() { _ = server.Serve(listener) }() // ends with the process
	<-stop
	return nil
}

func startBare() (*target, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	t := &target{command: exec.Command(self, "-bare")}
	t.command.Stderr = os.Stderr
	output, err := t.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := t.command.Start(); err != nil {
		return nil, err
	}
	_, err = fmt.Fscanln(output, &t.address)
	return t, err
}
