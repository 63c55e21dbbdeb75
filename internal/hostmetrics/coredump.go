package hostmetrics

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lodastack/agent"
)

// coredumps reports each new core dump of a directory once.
type coredumps struct {
	log    *slog.Logger
	dir    string
	state  stateFile
	loaded bool
	seen   map[string]bool // by file name; nil before the first collection
}

func newCoredumps(c Config) agent.Collector {
	return &coredumps{
		log:   c.Logger,
		dir:   filepath.Join(c.Root, c.CoredumpDir),
		state: newStateFile(c.StateDir, "coredumps.json"),
	}
}

// Collect implements [agent.Collector]. A host without the directory has no
// core dumps. If there is no saved state, dumps of the last hour count as new.
func (c *coredumps) Collect(context.Context) ([]agent.Metric, error) {
	if !c.loaded {
		if _, err := c.state.load(&c.seen); err != nil {
			c.log.Warn("core dumps of the last hour may be reported a second time", "error", err)
			c.seen = nil
		}
		c.loaded = true
	}
	entries, err := os.ReadDir(c.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the directory of core dumps: %w", err)
	}
	var p points
	present := make(map[string]bool)
	changed := c.seen == nil
	for _, entry := range entries {
		dump, ok := parseCoredump(entry.Name())
		if !ok || !entry.Type().IsRegular() {
			continue
		}
		present[entry.Name()] = true
		if c.seen[entry.Name()] {
			continue
		}
		changed = true
		if c.seen != nil || time.Since(dump.time) <= firstLook {
			p = append(p, dump.metric())
		}
	}
	changed = changed || len(present) != len(c.seen)
	c.seen = present
	if !changed {
		return p, nil
	}
	return p, c.state.save(c.seen)
}

type coredump struct {
	service string
	time    time.Time
}

// parseCoredump parses core.SERVICE.PID.UNIXTIME and the names of
// systemd-coredump. It parses from the end, because a service's name may
// contain dots.
func parseCoredump(name string) (coredump, bool) {
	rest, ok := strings.CutPrefix(name, "core.")
	if !ok {
		return coredump{}, false
	}
	if dump, ok := parseSystemdCoredump(rest); ok {
		return dump, true
	}
	rest, seconds := cutLast(rest)
	service, pid := cutLast(rest)
	unix, ok := parseDigits(seconds)
	if _, isPID := parseDigits(pid); !ok || !isPID || service == "" {
		return coredump{}, false
	}
	return coredump{service, time.Unix(unix, 0)}, true
}

// parseSystemdCoredump parses SERVICE.UID.BOOTID.PID.MICROSECONDS, perhaps with
// the suffix of a compression. Dots, blanks and slashes in the service are
// escaped (systemd's coredump.c, make_filename).
func parseSystemdCoredump(name string) (coredump, bool) {
	for _, compression := range [...]string{".zst", ".lz4", ".xz"} {
		name = strings.TrimSuffix(name, compression)
	}
	part := strings.Split(name, ".")
	if len(part) != 5 || part[0] == "" || len(part[2]) != 32 {
		return coredump{}, false
	}
	_, isUID := parseDigits(part[1])
	_, bootErr := hex.DecodeString(part[2])
	_, isPID := parseDigits(part[3])
	micros, ok := parseDigits(part[4])
	if !isUID || bootErr != nil || !isPID || !ok {
		return coredump{}, false
	}
	return coredump{unescapeHex(part[0]), time.UnixMicro(micros)}, true
}

func parseDigits(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil
}

// unescapeHex replaces \x2e by a dot, and other bytes likewise.
func unescapeHex(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && i+4 <= len(s) {
			if c, err := strconv.ParseUint(s[i+2:i+4], 16, 8); err == nil {
				b.WriteByte(byte(c))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func cutLast(s string) (before, after string) {
	dot := strings.LastIndexByte(s, '.')
	if dot < 0 {
		return "", s
	}
	return s[:dot], s[dot+1:]
}

// metric has the dump's own time, so that two dumps of a service are two
// points. If the time cannot be right, the agent sets it.
func (d coredump) metric() agent.Metric {
	m := agent.Metric{Name: "app.service.coredump", Value: 1.0, Tags: map[string]string{"service": d.service}}
	if age := time.Since(d.time); age >= 0 && age <= 24*time.Hour {
		m.Timestamp = d.time.Unix()
	}
	return m
}
