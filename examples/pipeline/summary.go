package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// summary counts points, and remembers the last values of some.
type summary struct {
	mu     sync.Mutex // owns what follows
	points int        // since the last line
	total  int
	last   map[string]string // value by name
	posted string            // the last point that was posted
}

// shown are the measurements of a line.
var shown = []struct {
	name, format string
	divisor      float64
}{{"cpu.idle", "cpu.idle %.1f%%", 1}, {"mem.used.percent", "mem.used %.1f%%", 1}, {"net.in", "net.in %.1f kbit/s", 1000}}

// add takes lines of line protocol, NAME[,TAG=…] value=VALUE TIME.
func (s *summary) add(lines []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last = map[string]string{}
	}
	for line := range bytes.Lines(lines) {
		s.points++
		s.total++
		series, rest, _ := strings.Cut(string(line), " ")
		name, _, _ := strings.Cut(series, ",")
		value, _, _ := strings.Cut(strings.TrimPrefix(rest, "value="), " ")
		s.last[name] = value
		if strings.HasPrefix(name, "RUN.") {
			s.posted = name + " " + value
		}
	}
	return nil
}

// line returns what arrived since the last one. waiting is how many messages of
// NSQ are yet to come.
func (s *summary) line(waiting int64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := fmt.Sprintf("%s  %3d points/s  total %d  backlog %d", time.Now().Format(time.TimeOnly), s.points, s.total, waiting)
	for _, m := range shown {
		if value, err := strconv.ParseFloat(s.last[m.name], 64); err == nil {
			line += fmt.Sprintf("  "+m.format, value/m.divisor)
		}
	}
	if s.posted != "" {
		line += "  last post: " + s.posted
	}
	s.points = 0
	return line + "\n"
}

// print writes a line each second, and one at the end, when stop is called.
func (s *summary) print(w io.Writer, waiting func() int64) (stop func()) {
	ticker := time.NewTicker(time.Second)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-ticker.C:
				_, _ = io.WriteString(w, s.line(waiting()))
			case <-done:
				_, _ = io.WriteString(w, s.line(waiting()))
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(done)
		<-ended
	}
}
