//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// exporter is a running node_exporter.
type exporter struct {
	program *exec.Cmd
	address string
}

// scrape values are by the name with its labels, as node_exporter writes them.
type scrape map[string]float64

// startExporter starts a node_exporter on a free port, and waits until it answers.
func startExporter(ctx context.Context, program string) (*exporter, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("looking for a free port: %w", err)
	}
	e := &exporter{address: free.Addr().String()}
	free.Close()
	e.program = exec.CommandContext(ctx, program, "--web.listen-address="+e.address, "--collector.processes", "--log.level=error")
	e.program.Cancel = func() error { return e.program.Process.Signal(syscall.SIGTERM) }
	if err := e.program.Start(); err != nil {
		return nil, fmt.Errorf("starting node_exporter: %w", err)
	}
	for range 100 {
		if _, err = e.scrape(ctx); err == nil {
			return e, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), e.stop())
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil, errors.Join(fmt.Errorf("node_exporter does not answer: %w", err), e.stop())
}

func (e *exporter) stop() error {
	e.program.Process.Signal(syscall.SIGTERM)
	var ended *exec.ExitError
	if err := e.program.Wait(); err != nil && !errors.As(err, &ended) {
		return fmt.Errorf("ending node_exporter: %w", err)
	}
	return nil
}

func (e *exporter) scrape(ctx context.Context) (scrape, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+e.address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("scraping node_exporter: %w", err)
	}
	defer response.Body.Close()
	values := scrape{"scraped": float64(time.Now().UnixNano()) / 1e9}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		line := lines.Text()
		at := strings.LastIndexByte(line, ' ')
		if strings.HasPrefix(line, "#") || at < 0 {
			continue
		}
		if value, err := strconv.ParseFloat(line[at+1:], 64); err == nil {
			values[line[:at]] = value
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("scraping node_exporter: %w", err)
	}
	return values, nil
}
