package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/explain"
)

// explained returns the answer for a name.
func (test *apiTest) explained(t *testing.T, name string) (a explain.Answer) {
	t.Helper()
	got := test.do(t, "GET", "/me/explain?name="+name, "")
	require.Equal(t, 200, got.status, got.body)
	require.NoError(t, json.Unmarshal([]byte(got.body), &a))
	return a
}

// awaitReason waits until the reason of a name has the text.
func (test *apiTest) awaitReason(t *testing.T, name, text string) {
	t.Helper()
	var got explain.Answer
	require.Eventually(t, func() bool {
		got = test.explained(t, name)
		return strings.Contains(got.Reason, text)
	}, 5*time.Second, time.Millisecond, "%s", text)
}

func TestTheAgentExplainsFromWhatItKnows(t *testing.T) {
	test := newAPITest(t,
		agent.WithMeasurements(func() []agent.Measurement {
			return []agent.Measurement{
				{Kind: "GOOD", Name: "good"}, {Kind: "BAD", Name: "bad"}, {Kind: "INVALID", Name: "invalid"},
				{Kind: "GOOD", Name: "absent", Absent: "the moon is full"}, {Kind: "OFF", Name: "off", Off: "nobody wants it"},
				{Kind: "NEVER", Name: "never"},
			}
		}),
		agent.WithCollector("GOOD", 50*time.Millisecond, agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
			return []agent.Metric{{Name: "good", Value: 1}}, nil
		})),
		agent.WithCollector("BAD", time.Hour, agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
			return nil, errors.New("no such device")
		})),
		agent.WithCollector("INVALID", time.Hour, agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) {
			return []agent.Metric{{Name: "invalid", Value: math.NaN()}}, nil
		})),
		agent.WithStatsd(func() *agent.StatsdStatus { return &agent.StatsdStatus{Address: "127.0.0.1:8125", Packets: 9} }),
		agent.WithCollector("NEVER", 0, agent.CollectorFunc(func(context.Context) ([]agent.Metric, error) { return nil, nil })),
	)
	require.Eventually(t, func() bool {
		good := test.explained(t, "good")
		return good.Reason == "" && strings.HasPrefix(good.Sentences[len(good.Sentences)-1], "Points of the namespace ns.one: ")
	}, 5*time.Second, time.Millisecond)
	test.awaitReason(t, "bad", "no such device")
	test.awaitReason(t, "invalid", `metric 0 ("invalid")`)
	test.awaitReason(t, "absent", "but not this measurement")
	test.awaitReason(t, "off", "Nothing measures it here: nobody wants it")
	test.awaitReason(t, "never", "No namespace of this host assigns its kind NEVER")
	test.awaitReason(t, "PLUGIN.backup", "It runs only when somebody calls it")
	require.Equal(t, explain.Namespace, test.explained(t, "ns.one").What)

	require.Contains(t, test.explained(t, "RUN.none").Sentences, "They can come by statsd, too, at 127.0.0.1:8125, which has read 9 packets; a sample is sent within 10s.")

	require.Equal(t, 400, test.do(t, "POST", "/post?ns=ns.one", `[{"name":"orders","value":1,"tags":{"time":"x"}}]`).status)
	test.awaitReason(t, "RUN.orders", "to the namespace ns.one, was refused as a whole: metric 0")
	require.Equal(t, 400, test.do(t, "POST", "/write?db=ns.one", "sales,time=x value=1\norders value=1").status)
	test.awaitReason(t, "RUN.sales", "to the namespace ns.one, was taken without it: metric 0")
	require.Equal(t, 200, test.do(t, "POST", "/post?ns=ns.one", `[{"name":"others","value":1}]`).status)
	require.Empty(t, test.explained(t, "RUN.others").Reason)

	test.output.set(func(o *apiOutput) { o.err = errors.New("away") })
	test.awaitReason(t, "good", "The output has taken no points for ")
	test.output.set(func(o *apiOutput) { o.err = nil })
}

func TestWhatCannotBeExplainedIsSaid(t *testing.T) {
	test := newAPITest(t)
	for path, says := range map[string]string{
		"/me/explain":               "The parameter name is missing: name a measurement, a plugin or a namespace.",
		"/me/explain?name=a&name=b": "The parameter name is given more than once.",
		"/me/explain?name=" + strings.Repeat("a", 1025): "The parameter name has 1025 bytes; nothing has a name of more than 1024.",
	} {
		got := test.do(t, "GET", path, "")
		require.Equal(t, 400, got.status, path)
		require.Equal(t, says, got.detail(t))
	}
	got := test.do(t, "GET", "/me/explain?name=ns.on", "")
	require.Equal(t, 404, got.status)
	require.Equal(t, `nothing here is called "ns.on": it is no measurement, plugin or namespace that this agent knows; did you mean ns.one or ns.one/acme/backup?`, got.detail(t))
}
