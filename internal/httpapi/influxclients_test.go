package httpapi_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	influx2 "github.com/influxdata/influxdb-client-go/v2"
	influx2http "github.com/influxdata/influxdb-client-go/v2/api/http"
	"github.com/influxdata/influxdb-client-go/v2/api/write"
	influx1 "github.com/influxdata/influxdb1-client/v2"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// sent is what the clients write.
var sent = struct {
	tags   map[string]string
	fields map[string]any
	time   time.Time
}{map[string]string{"queue": "in, out"}, map[string]any{"value": 7, "age": 1.5, "state": `a "b"`, "up": true}, time.Unix(1700000000, 123456789)}

// requireSent requires that the agent has delivered that.
func requireSent(t *testing.T, test *apiTest) {
	t.Helper()
	tags := map[string]string{"queue": "in,-out", "host": "web1.example.org"}
	metric := func(name string, value any) agent.Metric {
		return agent.Metric{Name: name, Timestamp: 1700000000, Tags: tags, Value: value}
	}
	require.ElementsMatch(t, []agent.Metric{
		metric("RUN.jobs", 7.0), metric("RUN.jobs.age", 1.5), metric("RUN.jobs.state", `a "b"`), metric("RUN.jobs.up", true),
	}, test.output.posted("ns.one"))
}

func TestClientOfInfluxDB1Writes(t *testing.T) {
	test := newAPITest(t)
	client, err := influx1.NewHTTPClient(influx1.HTTPConfig{Addr: test.server.URL, Username: "u", Password: "p", WriteEncoding: influx1.GzipEncoding})
	require.NoError(t, err)
	defer client.Close()
	_, version, err := client.Ping(time.Second)
	require.NoError(t, err)
	require.Equal(t, "1.8.10", version)

	write := func(database, name string) error {
		batch, err := influx1.NewBatchPoints(influx1.BatchPointsConfig{Database: database, Precision: "ms"})
		require.NoError(t, err)
		point, err := influx1.NewPoint(name, sent.tags, sent.fields, sent.time)
		require.NoError(t, err)
		batch.AddPoint(point)
		return client.Write(batch)
	}
	require.NoError(t, write("ns.one", "jobs"))
	requireSent(t, test)
	require.ErrorContains(t, write("ns.one", "bad name"), `{"error":"unable to parse: metric 0`)
	require.ErrorContains(t, write("elsewhere", "jobs"), "is not one of this host")
	test.output.set(func(o *apiOutput) { o.err = errors.New("no server answers") })
	require.ErrorContains(t, write("ns.one", "jobs"), "no server answers")
}

func TestClientOfInfluxDB2Writes(t *testing.T) {
	test := newAPITest(t)
	client := influx2.NewClientWithOptions(test.server.URL, "token", influx2.DefaultOptions().
		SetUseGZip(true).SetPrecision(time.Microsecond).SetHTTPClient(test.server.Client()))
	defer client.Close()
	up, err := client.Ping(t.Context())
	require.NoError(t, err)
	require.True(t, up)
	health, err := client.Health(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, "pass", health.Status)

	writeTo := func(bucket, name string) error {
		return client.WriteAPIBlocking("org", bucket).WritePoint(t.Context(), write.NewPoint(name, sent.tags, sent.fields, sent.time))
	}
	refused := func(err error) *influx2http.Error {
		var said *influx2http.Error
		require.ErrorAs(t, err, &said)
		return said
	}
	require.NoError(t, writeTo("ns.one", "jobs"))
	requireSent(t, test)
	got := refused(writeTo("ns.one", "bad name"))
	require.Equal(t, http.StatusBadRequest, got.StatusCode)
	require.Equal(t, "invalid", got.Code)
	require.Contains(t, got.Message, "unable to parse: metric 0")
	got = refused(writeTo("elsewhere", "jobs"))
	require.Equal(t, "forbidden", got.Code)
	require.Contains(t, got.Message, "is not one of this host")
	test.output.set(func(o *apiOutput) { o.err = errors.New("no server answers") })
	got = refused(writeTo("ns.one", "jobs"))
	require.Equal(t, "unavailable", got.Code)
	require.EqualValues(t, 5, got.RetryAfter)
}
