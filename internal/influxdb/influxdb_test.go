package influxdb_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/influxdb"
)

func TestNamesHaveLettersDigitsAndThreeSigns(t *testing.T) {
	for _, name := range []string{"cpu", "PORT.sshd.22", "a_b-c", "0"} {
		require.NoError(t, influxdb.CheckName(name), name)
	}
	for _, name := range []string{"", "a b", "a,b", "größe", "a\n", "a/b"} {
		require.Error(t, influxdb.CheckName(name), "%q", name)
	}
}

func TestValuesBecomeFloatsBoolsAndStrings(t *testing.T) {
	type level int8
	for _, test := range []struct{ value, want any }{
		{1, 1.0}, {level(-3), -3.0}, {uint64(1 << 60), float64(1 << 60)}, {float32(0.5), 0.5}, {json.Number("1e3"), 1000.0},
		{true, true}, {"text", "text"}, {"a\xffb", "a\ufffdb"},
	} {
		got, err := influxdb.Value(test.value)
		require.NoError(t, err)
		require.Equal(t, test.want, got)
	}
	for _, value := range []any{nil, math.NaN(), math.Inf(1), json.Number("1e999"), []int{1}, strings.Repeat("x", 65536)} {
		_, err := influxdb.Value(value)
		require.Error(t, err, "%.20v", value)
	}
}

func TestValuesThatAreRightAreNotAllocatedAnew(t *testing.T) {
	for _, value := range []any{1.5, true, "text"} {
		require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = influxdb.Value(value) }), "%v", value)
	}
}

func TestSecondsHaveTenDigitsAndFitIntoNanoseconds(t *testing.T) {
	for _, seconds := range []int64{1e9, 1_800_000_000, 9_223_372_036} {
		require.True(t, influxdb.IsSeconds(seconds), seconds)
	}
	for _, other := range []int64{-1, 0, 1e9 - 1, 1_800_000_000_000, math.MaxInt64} {
		require.False(t, influxdb.IsSeconds(other), other)
	}
}

func TestTagsAreCleanedWithoutAChangeToTheirMap(t *testing.T) {
	from := map[string]string{" key ": "a b", "empty": " ", "end": `x\`}
	tags := influxdb.NewTags(from)
	tags.Add([]influxdb.Tag{{Key: "host", Value: "h"}})
	require.Equal(t, map[string]string{"key": "a-b", "end": "x", "host": "h"}, tags.Map())
	require.Equal(t, map[string]string{" key ": "a b", "empty": " ", "end": `x\`}, from)
}

func TestTagsThatAreThereAreNotReplaced(t *testing.T) {
	tags := influxdb.NewTags(map[string]string{"host": "own"})
	tags.Add([]influxdb.Tag{{Key: "host", Value: "h"}, {Key: "dc", Value: "one"}})
	tags.Add([]influxdb.Tag{{Key: "late", Value: "x"}})
	require.Equal(t, map[string]string{"host": "own", "dc": "one"}, tags.Map(), "the first call counts")
}

func TestTagsKnowTheirMap(t *testing.T) {
	shared := map[string]string{"a": "1"}
	tags := influxdb.NewTags(shared)
	require.True(t, tags.Of(shared))
	tags.Add([]influxdb.Tag{{Key: "host", Value: "h"}})
	require.True(t, tags.Of(shared))
	require.False(t, tags.Of(map[string]string{"a": "1", "host": "h"}), "an equal map is another one")
	none := influxdb.NewTags(nil)
	require.False(t, none.Of(nil))
}

func TestSizeOfTagsIsThatInLineProtocol(t *testing.T) {
	tags := influxdb.NewTags(map[string]string{"k=": "a,b"})
	require.Equal(t, len(`,k\==a\,b`), tags.Size())
}

func TestTagsWithAMeaningOfTheirOwnAreAnError(t *testing.T) {
	for _, key := range []string{"time", "_field", "_measurement"} {
		tags := influxdb.NewTags(map[string]string{key: "x"})
		require.ErrorContains(t, tags.Err(), key)
	}
}
