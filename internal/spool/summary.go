package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/safefile"
)

// summary is a small file beside a sealed segment with its figures. With it
// they are known without reading the segment, and even if the segment is
// damaged. The summary may be missing or old. Then the segment is read once
// more to count it, or some of its blocks are delivered twice.
type summary struct {
	Last   uint64           `json:"last"`
	Next   uint64           `json:"next"`
	Points map[string]int64 `json:"points"`
	Oldest time.Time        `json:"oldest"`
	Newest time.Time        `json:"newest"`
	// Open means that the segment was not sealed. Then only Points is valid,
	// and is used to count what cannot be read.
	Open bool `json:"open,omitempty"`
}

const summarySuffix = ".sum"

// maxSummarySize is the limit for reading a summary, in bytes. It allows as
// many namespaces as a segment has records.
const maxSummarySize = 16 << 20

func summaryPath(segmentPath string) string {
	return strings.TrimSuffix(segmentPath, segmentSuffix) + summarySuffix
}

// saveSummary replaces the file atomically. The file is not synced: its first
// line is a checksum, and a wrong one is ignored.
func saveSummary(segmentPath string, s summary) error {
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	path := summaryPath(segmentPath)
	temporary := path + ".new"
	data = append(summaryHead(data), data...)
	file, err := safefile.Open(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err := errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, removeFile(temporary))
	}
	return os.Rename(temporary, path)
}

// countOpen saves how many points a segment has while it is written, for the
// case that it is killed and damaged. It writes in place, which is fast and
// needs no free space: the numbers, and so the file, only grow.
func countOpen(segmentPath string, points map[string]int64) error {
	data, err := json.Marshal(summary{Next: 1, Points: points, Open: true})
	if err != nil {
		return err
	}
	file, err := safefile.Open(summaryPath(segmentPath), os.O_WRONLY|os.O_CREATE, fileMode)
	if err != nil {
		return err
	}
	_, err = file.WriteAt(append(summaryHead(data), data...), 0)
	return errors.Join(err, file.Close())
}

func summaryHead(data []byte) []byte { return fmt.Appendf(nil, "%08x\n", checksum(data)) }

// loadSummary returns ok if there is a valid summary.
func loadSummary(segmentPath string) (s summary, ok bool) {
	data, err := safefile.Read(summaryPath(segmentPath), maxSummarySize)
	if err != nil {
		return s, false
	}
	sum, data, _ := bytes.Cut(data, []byte("\n"))
	if string(sum)+"\n" != string(summaryHead(data)) || json.Unmarshal(data, &s) != nil {
		return s, false
	}
	return s, s.Next >= 1
}
