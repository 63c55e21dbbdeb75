package spool

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/lodastack/agent"
)

// decoder decodes blocks and collects their batches. The zero value is ready.
type decoder struct {
	batches []agent.Batch
	// metrics is the buffer for the metrics of the next batches.
	metrics []agent.Metric
	// tags has the maps made so far, by their encoded form. Most points of a
	// host have the same tags, and batches may share the maps.
	tags map[string]map[string]string
}

// points counts the collected points by namespace.
func (d *decoder) points() map[string]int64 {
	points := make(map[string]int64)
	for _, b := range d.batches {
		points[b.Namespace] += int64(len(b.Metrics))
	}
	return points
}

// block decodes a block. It leaves out damaged records and returns an error for
// them. The records after them are decoded as far as the lengths are valid.
func (d *decoder) block(seq uint64, data []byte) error {
	records, err := blockRecords(seq, data)
	// One copy for all records: the strings of the metrics are parts of it.
	text := string(records)
	for len(records) > 0 {
		var payload []byte
		if payload, records = nextRecord(records); payload == nil {
			err = errDamaged
			continue
		}
		end := len(text) - len(records)
		if bad := d.record(text[end-len(payload) : end]); bad != nil {
			err = bad
		}
	}
	return err
}

// blockRecords checks the head of a block and returns the rest.
func blockRecords(seq uint64, data []byte) ([]byte, error) {
	if len(data) < blockHeadSize || checksum(data[:9]) != binary.LittleEndian.Uint32(data[9:]) {
		return nil, errDamaged
	}
	if data[0] != blockVersion {
		return nil, fmt.Errorf("block version %d is unknown", data[0])
	}
	if binary.LittleEndian.Uint64(data[1:]) != seq {
		return nil, errDamaged
	}
	return data[blockHeadSize:], nil
}

// nextRecord splits the payload of the first record off data. The payload is
// nil if its checksum is wrong.
func nextRecord(data []byte) (payload, rest []byte) {
	if len(data) < recordHead {
		return nil, nil
	}
	length := binary.LittleEndian.Uint32(data)
	if uint64(length) > uint64(len(data)-recordHead) {
		return nil, nil
	}
	end := recordHead + int(length)
	payload, rest = data[recordHead:end:end], data[end:]
	if recordChecksum(data[:4], payload) != binary.LittleEndian.Uint32(data[4:]) {
		return nil, rest
	}
	return payload, rest
}

// record decodes a payload with a valid checksum.
func (d *decoder) record(payload string) error {
	r := reader{rest: payload}
	namespace := r.string()
	count := r.uvarint()
	// A metric has at least four bytes. So a wrong count allocates no memory.
	if r.failed || count > uint64(len(r.rest)/4) {
		return errDamaged
	}
	if cap(d.metrics)-len(d.metrics) < int(count) {
		d.metrics = make([]agent.Metric, 0, max(int(count), recordMetrics))
	}
	first := len(d.metrics)
	for range count {
		d.metrics = append(d.metrics, agent.Metric{Name: r.string(), Timestamp: r.varint(), Tags: d.sharedTags(&r), Value: r.value()})
	}
	if r.failed || r.rest != "" {
		d.metrics = d.metrics[:first]
		return errDamaged
	}
	if count > 0 {
		d.batches = append(d.batches, agent.Batch{Namespace: namespace, Metrics: d.metrics[first:len(d.metrics):len(d.metrics)]})
	}
	return nil
}

func (d *decoder) sharedTags(r *reader) map[string]string {
	encoded := r.string()
	if encoded == "" {
		return nil
	}
	if tags, ok := d.tags[encoded]; ok {
		return tags
	}
	tags := map[string]string{}
	inner := reader{rest: encoded}
	for inner.rest != "" && !inner.failed {
		key := inner.string()
		tags[key] = inner.string()
	}
	r.failed = r.failed || inner.failed
	if d.tags == nil {
		d.tags = map[string]map[string]string{}
	}
	d.tags[encoded] = tags
	return tags
}

// reader reads the parts of a payload one after the other. After a failure it
// returns zero values.
type reader struct {
	rest   string
	failed bool
}

func (r *reader) take(n uint64) string {
	if r.failed || n > uint64(len(r.rest)) {
		r.failed = true
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *reader) string() string { return r.take(r.uvarint()) }

func (r *reader) uvarint() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		b := r.take(1)
		if r.failed {
			return 0
		}
		v |= uint64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			return v
		}
	}
	r.failed = true
	return 0
}

func (r *reader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *reader) value() any {
	switch r.take(1) {
	case "f":
		b := r.take(8)
		if r.failed {
			return nil
		}
		return math.Float64frombits(binary.LittleEndian.Uint64([]byte(b)))
	case "t":
		return true
	case "n":
		return false
	case "s":
		return r.string()
	}
	r.failed = true
	return nil
}
