package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"github.com/lodastack/agent"
)

// A block is the value of one key in bbolt. It has a head and records.
//
//	block:  version (1 byte), sequence number (8), CRC-32C of these 9 bytes (4), records
//	record: length of the payload (4), CRC-32C of length and payload (4), payload
//
// Fixed-size integers are little-endian. A payload is a part of one
// [agent.Batch]. A string follows its length. Lengths and counts are uvarints.
//
//	payload: namespace, number of metrics, metrics
//	metric:  name, timestamp (varint), length of the tags, tags, value
//	tags:    key, value, key, value, … sorted by key
//	value:   'f' and 8 bytes, 't', 'n' (false), or 's' and a string
const (
	blockVersion  = 1
	blockHeadSize = 13
	recordHead    = 8
)

// A record has at most this many metrics, so that one damaged record loses few.
const recordMetrics = 500

var errDamaged = errors.New("checksum or format is wrong")

// appendBlockHead begins a block.
func appendBlockHead(dst []byte, seq uint64) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, blockHeadSize)...)
	numberBlock(dst[start:], seq)
	return dst
}

// numberBlock sets the sequence number of a block.
func numberBlock(block []byte, seq uint64) {
	block[0] = blockVersion
	binary.LittleEndian.PutUint64(block[1:], seq)
	binary.LittleEndian.PutUint32(block[9:], checksum(block[:9]))
}

func appendRecord(dst []byte, namespace string, metrics []agent.Metric) ([]byte, error) {
	start := len(dst)
	dst = append(dst, make([]byte, recordHead)...)
	dst = appendString(dst, namespace)
	dst = binary.AppendUvarint(dst, uint64(len(metrics)))
	for i := range metrics {
		var err error
		if dst, err = appendMetric(dst, &metrics[i]); err != nil {
			return nil, fmt.Errorf("metric %d, %q: %w", i, metrics[i].Name, err)
		}
	}
	record := dst[start:]
	binary.LittleEndian.PutUint32(record, uint32(len(record)-recordHead))
	binary.LittleEndian.PutUint32(record[4:], recordChecksum(record[:4], record[recordHead:]))
	return dst, nil
}

func appendMetric(dst []byte, m *agent.Metric) ([]byte, error) {
	dst = appendString(dst, m.Name)
	dst = binary.AppendVarint(dst, m.Timestamp)
	dst = appendTags(dst, m.Tags)
	switch v := m.Value.(type) {
	case float64:
		return binary.LittleEndian.AppendUint64(append(dst, 'f'), math.Float64bits(v)), nil
	case bool:
		if v {
			return append(dst, 't'), nil
		}
		return append(dst, 'n'), nil
	case string:
		return appendString(append(dst, 's'), v), nil
	}
	return nil, fmt.Errorf("a value of type %T cannot be kept on disk", m.Value)
}

// appendTags sorts the keys, so that equal tags have equal bytes. The decoder
// then makes one map for them.
func appendTags(dst []byte, tags map[string]string) []byte {
	var space [16]string
	keys, size := space[:0], 0
	for k, v := range tags {
		keys = append(keys, k)
		size += stringSize(k) + stringSize(v)
	}
	slices.Sort(keys)
	dst = binary.AppendUvarint(dst, uint64(size))
	for _, k := range keys {
		dst = appendString(dst, k)
		dst = appendString(dst, tags[k])
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func stringSize(s string) int {
	n := 1
	for l := len(s); l >= 0x80; l >>= 7 {
		n++
	}
	return n + len(s)
}

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

func recordChecksum(length, payload []byte) uint32 {
	return crc32.Update(checksum(length), crc32.MakeTable(crc32.Castagnoli), payload)
}
