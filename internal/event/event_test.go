package event_test

import (
	"bytes"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/event"
)

func TestLinesNameTheirEvent(t *testing.T) {
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("a plugin failed", event.Attr(event.PluginFailed))
	require.Contains(t, log.String(), `msg="a plugin failed" event=plugin_failed`)
}
