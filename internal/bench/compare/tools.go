//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// tool is a program of the system. parse returns our names with its values.
type tool struct {
	name  string
	args  []string
	parse func(output string) (map[string]float64, error)
}

func (t tool) ask(ctx context.Context) (map[string]float64, error) {
	output, err := exec.CommandContext(ctx, t.name, t.args...).Output()
	if err != nil {
		return nil, err
	}
	values, err := t.parse(string(output))
	if err != nil {
		return nil, fmt.Errorf("what %s says cannot be read: %w", t.name, err)
	}
	return values, nil
}

func tools() []tool {
	return []tool{
		{"free", []string{"-k"}, parseFree},
		{"df", []string{"-k", "--output=target,size,used,avail"}, parseDf},
		{"ss", []string{"-s"}, parseSs},
		{"ps", []string{"-eo", "stat="}, parsePs},
		{"awk", []string{"{ print $1 }", "/proc/uptime", "/proc/loadavg"}, parseAwk},
	}
}

// numbers parses columns; those that are none become an error.
func numbers(columns []string) ([]float64, error) {
	all := make([]float64, len(columns))
	for i, column := range columns {
		n, err := strconv.ParseFloat(column, 64)
		if err != nil {
			return nil, err
		}
		all[i] = n
	}
	return all, nil
}

func parseFree(output string) (map[string]float64, error) {
	const columns = 6 // total used free shared buff/cache available
	for line := range strings.Lines(output) {
		if fields := strings.Fields(line); len(fields) == 1+columns && fields[0] == "Mem:" {
			n, err := numbers(fields[1:])
			if err != nil {
				return nil, err
			}
			return map[string]float64{"mem.total": n[0] / 1024, "mem.free": n[5] / 1024}, nil
		}
	}
	return nil, fmt.Errorf("no line Mem: with %d columns", columns)
}

func parseDf(output string) (map[string]float64, error) {
	values := make(map[string]float64)
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) != 4 || !strings.HasPrefix(fields[0], "/") {
			continue // the head, and mounts with blanks in their names
		}
		n, err := numbers(fields[1:])
		if err != nil {
			continue // "-": it has no size
		}
		for i, name := range [...]string{"fs.space.total", "fs.space.used", "fs.space.free"} {
			values[name+"{"+fields[0]+"}"] = n[i] / 1024
		}
	}
	return values, nil
}

var (
	ssTotal    = regexp.MustCompile(`(?m)^TCP\s+(\d+)\s`)
	ssTimewait = regexp.MustCompile(`timewait (\d+)`)
)

func parseSs(output string) (map[string]float64, error) {
	inuse, timewait := ssTotal.FindStringSubmatch(output), ssTimewait.FindStringSubmatch(output)
	if inuse == nil || timewait == nil {
		return nil, fmt.Errorf("neither TCP nor timewait in %.100q", output)
	}
	n, err := numbers([]string{inuse[1], timewait[1]})
	if err != nil {
		return nil, err
	}
	return map[string]float64{"net.tcp.inuse": n[0], "net.tcp.timewait": n[1]}, nil
}

func parsePs(output string) (map[string]float64, error) {
	return map[string]float64{"ps.total.num": float64(len(strings.Fields(output)) - 1)}, nil // without ps itself
}

func parseAwk(output string) (map[string]float64, error) {
	n, err := numbers(strings.Fields(output))
	if err != nil || len(n) != 2 {
		return nil, fmt.Errorf("not two numbers in %.100q: %w", output, err)
	}
	return map[string]float64{"host.uptime": n[0], "cpu.loadavg.1": n[1]}, nil
}
