package warnings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"

	"github.com/stretchr/testify/require"
)

func TestWarningsAreKeptWithTheirAttributes(t *testing.T) {
	var log Log
	var text bytes.Buffer
	logger := slog.New(log.Handler(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelError}))).With("part", "output")
	logger.Info("all is well")
	logger.Warn("slow", "took", "5s")
	logger.WithGroup("nsqd").Error("away", "error", errors.New("refused"))
	records := log.Records()
	require.Len(t, records, 2)
	require.Equal(t, "away", records[0].Message, "the newest first")
	require.Equal(t, "ERROR", records[0].Level)
	require.Equal(t, map[string]string{"part": "output", "nsqd.error": "refused"}, records[0].Attributes)
	require.Equal(t, map[string]string{"part": "output", "took": "5s"}, records[1].Attributes)
	require.NotContains(t, text.String(), "slow", "the log has what it had without us")
	require.Contains(t, text.String(), "away")
}

func TestWarningsAreBounded(t *testing.T) {
	var log Log
	logger := slog.New(log.Handler(slog.DiscardHandler))
	long := strings.Repeat("ä", 1000)
	for i := range Kept + 1 {
		logger.Warn(fmt.Sprint(i, long), "a", long)
	}
	records := log.Records()
	require.Len(t, records, Kept)
	require.Equal(t, "100", records[0].Message[:3])
	require.Equal(t, "1ä", records[Kept-1].Message[:3])
	require.LessOrEqual(t, len(records[0].Message), maxMessage+len("…"))
	require.LessOrEqual(t, len(records[0].Attributes["a"]), maxValue+len("…"))
	var many []any
	for i := range 50 {
		many = append(many, fmt.Sprint("key", i), i)
	}
	logger.Warn("many", many...)
	require.Len(t, log.Records()[0].Attributes, maxAttributes)
}

func TestTheNextHandlerGetsWhatSlogPromises(t *testing.T) {
	var log Log
	var text bytes.Buffer
	handler := log.Handler(slog.NewJSONHandler(&text, nil))
	slogtest.Run(t, func(*testing.T) slog.Handler { text.Reset(); return handler }, func(t *testing.T) map[string]any {
		return parse(t, text.Bytes())
	})
}

func parse(t *testing.T, line []byte) (got map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(line, &got))
	return got
}
