package spool

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func encoded(t testing.TB, seq uint64, batches ...agent.Batch) []byte {
	block := appendBlockHead(nil, seq)
	for _, b := range batches {
		var err error
		block, err = appendRecord(block, b.Namespace, b.Metrics)
		require.NoError(t, err)
	}
	return block
}

func sample(namespace string) agent.Batch {
	tags := map[string]string{"host": "h", "core": "0"}
	return agent.Batch{Namespace: namespace, Metrics: []agent.Metric{
		{Name: "a", Timestamp: 1, Tags: tags, Value: 0.5},
		{Name: "b", Timestamp: -1, Tags: tags, Value: true},
		{Name: "c", Timestamp: 1 << 33, Value: "text"},
	}}
}

func TestDecoderReturnsTheBatchesAsTheyWere(t *testing.T) {
	var d decoder
	require.NoError(t, d.block(7, encoded(t, 7, sample("x"), sample("y"), sample("x"))))
	require.Equal(t, []agent.Batch{sample("x"), sample("y"), sample("x")}, d.batches)
	require.Equal(t, map[string]int64{"x": 6, "y": 3}, d.points())
}

func TestDecoderGoesOnBehindADamagedRecord(t *testing.T) {
	first := len(encoded(t, 7, sample("x")))
	block := encoded(t, 7, sample("x"), sample("y"))
	block[first-1] ^= 1
	var d decoder
	require.ErrorIs(t, d.block(7, block), errDamaged)
	require.Equal(t, []agent.Batch{sample("y")}, d.batches)
}

func TestBlockThatIsCutOffIsDamaged(t *testing.T) {
	block := encoded(t, 7, sample("x"))
	for size := range block {
		if size == blockHeadSize {
			continue // it has no records
		}
		var d decoder
		require.ErrorIs(t, d.block(7, block[:size:size]), errDamaged, "%d bytes", size)
		require.Empty(t, d.batches)
	}
}

// The checksum of a payload may be right all the same: an error of memory came
// before it.
func TestPayloadThatIsNoneIsDamaged(t *testing.T) {
	payload := string(encoded(t, 1, sample("x"))[blockHeadSize+recordHead:])
	cases := map[string]string{
		"a byte too many":       payload + "\x00",
		"too many metrics":      "\x01x\x02\x00\x00\x00t",
		"no value":              "\x01x\x01\x01a\x00\x00?",
		"a value of no kind":    "\x01x\x01\x00\x00\x00?",
		"tags without a value":  "\x01x\x01\x00\x00\x02\x01at",
		"a tag beyond the tags": "\x01x\x01\x00\x00\x03\x01a\x05t",
		"a number without end":  strings.Repeat("\xff", 11),
	}
	for size := range payload {
		cases[fmt.Sprintf("cut off after %d bytes", size)] = payload[:size]
	}
	for name, payload := range cases {
		var d decoder
		require.ErrorIs(t, d.record(payload), errDamaged, name)
		require.Empty(t, d.batches, name)
		require.Empty(t, d.metrics, name)
	}
}

func TestRecordWithoutMetricsMakesNoBatch(t *testing.T) {
	var d decoder
	require.NoError(t, d.record("\x01x\x00"))
	require.Empty(t, d.batches)
}

func TestTheSmallestAndTheLargestComeBackAsTheyWere(t *testing.T) {
	want := agent.Batch{Namespace: "x", Metrics: []agent.Metric{{Value: true}, {Value: false}}}
	for _, size := range []int{127, 128, 129, 16383, 16384} { // a length takes one byte more
		text := strings.Repeat("a", size)
		want.Metrics = append(want.Metrics, agent.Metric{Name: text, Tags: map[string]string{text: text, "k": text}, Value: text})
	}
	var d decoder
	require.NoError(t, d.block(1, encoded(t, 1, agent.Batch{Namespace: "x", Metrics: want.Metrics[:1]})))
	require.Equal(t, want.Metrics[:1], d.batches[0].Metrics)
	require.NoError(t, d.block(1, encoded(t, 1, want)))
	require.Equal(t, want, d.batches[1])
}

func TestBlockInTheWrongPlaceIsDamaged(t *testing.T) {
	var d decoder
	require.ErrorIs(t, d.block(8, encoded(t, 7, sample("x"))), errDamaged)
	require.Empty(t, d.batches)
}

func TestBlockOfALaterVersionIsRefusedByName(t *testing.T) {
	block := []byte{9, 1, 0, 0, 0, 0, 0, 0, 0}
	sum := checksum(block)
	block = append(block, byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24))
	var d decoder
	require.ErrorContains(t, d.block(1, block), "version 9 is unknown")
}

func TestEveryFlippedBitIsNoticed(t *testing.T) {
	block := encoded(t, 7, sample("x"))
	for i := range block {
		for bit := range 8 {
			block[i] ^= 1 << bit
			var d decoder
			require.Error(t, d.block(7, block), "byte %d, bit %d", i, bit)
			block[i] ^= 1 << bit
		}
	}
}

func TestValueOfAnotherTypeIsRefused(t *testing.T) {
	_, err := appendRecord(nil, "x", []agent.Metric{{Name: "a", Value: 1}})
	require.ErrorContains(t, err, `metric 0, "a": a value of type int`)
}

// FuzzDecode gives the decoder blocks and, as checksums would keep anything
// interesting out, payloads.
func FuzzDecode(f *testing.F) {
	block := encoded(f, 1, sample("x"))
	f.Add(block)
	f.Add(block[blockHeadSize+recordHead:])
	f.Fuzz(func(t *testing.T, data []byte) {
		var blocks decoder
		_ = blocks.block(1, data)
		var d decoder
		if d.record(string(data)) != nil {
			require.Empty(t, d.batches)
			return
		}
		if len(d.batches) == 0 {
			return
		}
		// What can be read can be written, and means the same.
		again, err := appendRecord(appendBlockHead(nil, 1), d.batches[0].Namespace, d.batches[0].Metrics)
		require.NoError(t, err)
		var e decoder
		require.NoError(t, e.block(1, again))
		require.Equal(t, len(d.batches[0].Metrics), len(e.batches[0].Metrics))
	})
}

// BenchmarkRecord encodes and decodes batches of 20 points with three tags.
func BenchmarkRecord(b *testing.B) {
	tags := map[string]string{"host": "web-1.example.com", "interface": "eth0", "rack": "r17"}
	batch := agent.Batch{Namespace: "shop.web"}
	for range 20 {
		batch.Metrics = append(batch.Metrics, agent.Metric{Name: "net.in.percent", Timestamp: 1_700_000_000, Tags: tags, Value: 0.5})
	}
	var batches []agent.Batch
	for range 50 {
		batches = append(batches, batch)
	}
	block := encoded(b, 7, batches...)
	perPoint := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/point")
		b.ReportMetric(float64(len(block))/1000, "bytes/point")
	}
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			encoded(b, 7, batches...)
		}
		perPoint(b)
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var d decoder
			require.NoError(b, d.block(7, block))
		}
		perPoint(b)
	})
}
