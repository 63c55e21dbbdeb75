package nsqoutput

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/influxdata/influxdb1-client/models"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// routed returns the points that InfluxDB stores of a message once lodastack's
// router has made line protocol of it: without escaping anything, as
// lodastack/router, influx/influx.go, does in convLine.
func routed(t *testing.T, message string) []models.Point {
	t.Helper()
	var read struct {
		Points []struct {
			Measurement string
			Timestamp   int64
			Tags        map[string]string
			Fields      map[string]any
		}
	}
	require.NoError(t, json.Unmarshal([]byte(message), &read))
	var lines []string
	for _, p := range read.Points {
		line := p.Measurement
		for key, value := range p.Tags {
			require.NotEmpty(t, value, "the router drops the point")
			line += fmt.Sprintf(",%s=%s", key, value)
		}
		for key, value := range p.Fields {
			line += fmt.Sprintf(" %s=%v", key, value)
		}
		lines = append(lines, fmt.Sprintf("%s %d", line, p.Timestamp*1e9))
	}
	points, err := models.ParsePointsString(strings.Join(lines, "\n"))
	require.NoError(t, err, "%q", lines)
	return points
}

// route packs metrics as JSON and returns what InfluxDB stores of them.
func route(t *testing.T, metrics ...agent.Metric) []models.Point {
	t.Helper()
	p := newPacker(JSON, 1<<20)
	var refused refusals
	require.Equal(t, len(metrics), p.pack("collect.ns", metrics, &refused))
	require.Zero(t, refused.points)
	return routed(t, unpack(t, p.buf)[0])
}

func TestRouterMakesAValidPointOfEverything(t *testing.T) {
	for _, text := range []string{"", "up", "two words", `say "hi"`, `a\`, "two\nlines", "x\" 1\nevil value=1 1", "a,b=c"} {
		points := route(t,
			agent.Metric{Name: "m", Timestamp: 1500000000, Tags: map[string]string{"path": "/a,b=c d", "a,k": `q"\x`}, Value: text},
			agent.Metric{Name: "n", Timestamp: 1500000001, Tags: map[string]string{"host": "h"}, Value: 1e21},
			agent.Metric{Name: "o", Timestamp: 1500000001, Value: true})
		require.Len(t, points, 3, text)
		fields, err := points[0].Fields()
		require.NoError(t, err)
		require.Equal(t, models.Fields{"value": text}, fields)
		require.Equal(t, map[string]string{"path": "/a-b-c-d", "a-k": `q"\x`}, points[0].Tags().Map())
		require.Equal(t, time.Unix(1500000000, 0).UTC(), points[0].Time())
		require.Equal(t, "n,host=h value=1e+21 1500000001000000000", points[1].String())
		require.Equal(t, "o value=true 1500000001000000000", points[2].String())
	}
}

func FuzzRouterMakesAValidPointOfEverything(f *testing.F) {
	f.Add("host", "web-1", "up", 1.5)
	f.Add("a,b", `c="d"`, "two\nlines", -1e300)
	f.Add(`\,`, `\"`, `\`, 0.0)
	f.Fuzz(func(t *testing.T, key, tag, text string, number float64) {
		for _, s := range []string{key, tag} { // see agent.Batch
			if s == "" || strings.HasSuffix(s, `\`) || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Skip()
			}
		}
		if number != number || number-number != 0 || !utf8.ValidString(text) || strings.ContainsAny(text, "\f\r") {
			t.Skip()
		}
		points := route(t,
			agent.Metric{Name: "m", Timestamp: 1500000000, Tags: map[string]string{key: tag}, Value: text},
			agent.Metric{Name: "n", Timestamp: 1500000001, Tags: map[string]string{key: tag}, Value: number})
		require.Len(t, points, 2)
		for i, want := range []any{text, number} {
			fields, err := points[i].Fields()
			require.NoError(t, err)
			require.Equal(t, models.Fields{"value": want}, fields)
			require.Equal(t, map[string]string{withoutSpecial(key): withoutSpecial(tag)}, points[i].Tags().Map())
		}
	})
}
