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

// summary is a small file beside a sealed segment with its figures, so that
// they are known without reading the segment, and if it is damaged. It may be
// missing or old: then a segment is read once more to count it, or some of its
// blocks are delivered twice.
type summary struct {
	Last   uint64           `json:"last"`
	Next   uint64           `json:"next"`
	Points map[string]int64 `json:"points"`
	Oldest time.Time        `json:"oldest"`
	Newest time.Time        `json:"newest"`
	// Open says that the segment was not sealed: only Points mean something,
	// and are used for what of the segment cannot be read.
	Open bool `json:"open,omitempty"`
}

const summarySuffix = ".sum"

// maxSummarySize bounds what is read of a summary, in bytes. It has room for as
// many namespaces as a segment has records.
const maxSummarySize = 16 << 20

func summaryPath(segmentPath string) string {
	return strings.TrimSuffix(segmentPath, segmentSuffix) + summarySuffix
}

// saveSummary replaces the file at once. It is not synced: a summary is
// trusted only with its checksum, which is its first line.
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

// countOpen saves the number of points that a segment holds while it is written,
// for the case of a kill followed by damage. It is written in place, which is
// quick and needs no room: the figures, and with them the file, only grow.
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

// loadSummary returns ok if there is a summary that can be trusted.
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
