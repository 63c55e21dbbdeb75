package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// summary is what a small file beside a sealed segment tells about it, so
// that neither counting nor a damaged segment needs the segment itself. It
// may be missing or old: then a segment is read once more to count it, or
// some of its blocks are delivered twice.
type summary struct {
	Last   uint64           `json:"last"`
	Next   uint64           `json:"next"`
	Points map[string]int64 `json:"points"`
	Oldest time.Time        `json:"oldest"`
	Newest time.Time        `json:"newest"`
}

const summarySuffix = ".sum"

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
	data = append(fmt.Appendf(nil, "%08x\n", checksum(data)), data...)
	if err := os.WriteFile(temporary, data, fileMode); err != nil {
		return errors.Join(err, removeFile(temporary))
	}
	return os.Rename(temporary, path)
}

// loadSummary tells by ok whether there is one that can be trusted.
func loadSummary(segmentPath string) (s summary, ok bool) {
	data, err := os.ReadFile(summaryPath(segmentPath))
	if err != nil {
		return s, false
	}
	sum, data, _ := bytes.Cut(data, []byte("\n"))
	if string(sum) != fmt.Sprintf("%08x", checksum(data)) || json.Unmarshal(data, &s) != nil {
		return s, false
	}
	return s, s.Next >= 1
}
