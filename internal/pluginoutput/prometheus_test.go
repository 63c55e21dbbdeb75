package pluginoutput_test

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/lineproto"
	"github.com/lodastack/agent/internal/pluginoutput"
)

func TestSamplesOfPrometheusTextArePointsWithTheirLabels(t *testing.T) {
	points, errs := read(pluginoutput.Prometheus, `# HELP http_requests_total The total.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200",} 1027 1395066363000
  node:load1 0.5
msdos_file{path="C:\\DIR\\F.TXT",error="Not \"found\"\n"}	1.458255915e+09
# TYPE rpc histogram
rpc_bucket{le="+Inf"} 3
rpc_sum 8.5
{"my.name",a="b"} 2
empty {} 1
`, 0)
	require.Empty(t, errs)
	require.Equal(t, []lineproto.Point{
		{Name: "http_requests_total", Tags: map[string]string{"method": "post", "code": "200"}, Value: 1027.0, Timestamp: 1395066363},
		{Name: "node_load1", Value: 0.5},
		{Name: "msdos_file", Tags: map[string]string{"path": `C:\DIR\F.TXT`, "error": "Not \"found\"\n"}, Value: 1.458255915e+09},
		{Name: "rpc_bucket", Tags: map[string]string{"le": "+Inf"}, Value: 3.0},
		{Name: "rpc_sum", Value: 8.5},
		{Name: "my.name", Tags: map[string]string{"a": "b"}, Value: 2.0},
		{Name: "empty", Value: 1.0},
	}, points)
}

func TestTimesOfOpenMetricsAreSecondsAndExemplarsAreLeftOut(t *testing.T) {
	points, errs := read(pluginoutput.Prometheus, `# TYPE foo counter
# UNIT foo seconds
foo_total{a="# {"} 17.0 1520879607.789 # {id="x y"} 1 1520879600
foo_created 1520430000.123
bar_created 5
# EOF
`, 0)
	require.Empty(t, errs)
	require.Equal(t, []lineproto.Point{
		{Name: "foo_total", Tags: map[string]string{"a": "# {"}, Value: 17.0, Timestamp: 1520879607},
		number("bar_created", 5),
	}, points)
}

func TestABadSampleCostsOnlyItselfAndIsNamedByItsLine(t *testing.T) {
	for line, want := range map[string]string{
		"a":              ": line 1: a sample is NAME VALUE or NAME{LABEL=\"…\"} VALUE",
		"a x":            "a: line 1: the value \"x\" is not a number",
		"a 1 2 3":        "a: line 1: a value, and perhaps a timestamp, must follow the name",
		"a 1 2.5":        "a: line 1: the timestamp \"2.5\" is not a whole number of milliseconds",
		`a{b="c" 1`:      "a: line 1: the labels have no }",
		`a{b="c`:         "a: line 1: a quote is not closed",
		`a{b=c} 1`:       "a: line 1: the value of the label \"b\" is not in quotes",
		`a{b} 1`:         "a: line 1: the label \"b\" has no value",
		`a{b="\t"} 1`:    "a: line 1: a \\ is followed by none of \\, \" and n",
		`a{b="1",b="2"}`: "a: line 1: the label \"b\" occurs twice",
		`{b="1"} 1`:      ": line 1: a sample is NAME VALUE or NAME{LABEL=\"…\"} VALUE",
		"a 0x1p-2":       "a: line 1: the value \"0x1p-2\" is not a number",
	} {
		points, errs := read(pluginoutput.Prometheus, line+"\nb 2\n", 0)
		require.Equal(t, []string{want}, errs, line)
		require.Equal(t, []lineproto.Point{number("b", 2)}, points, line)
	}
}

// Prometheus' own parser takes or refuses a text as a whole. What it takes, we
// take, with the same samples.
func FuzzPrometheusTextIsReadAsPrometheusReadsIt(f *testing.F) {
	f.Add("# HELP a b\n# TYPE a counter\na{b=\"c\\n\",d=\"\"} 1 1000\nb 2\n")
	f.Add("# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n")
	f.Add("# TYPE s summary\ns{quantile=\"0.5\"} NaN\ns_sum 3\ns_count 2\n{\"a b\",c=\"d\"} +Inf -5\n")
	f.Add("h_sum-3\n")
	f.Fuzz(func(t *testing.T, text string) {
		families, err := expfmtReads(text)
		points, errs := read(pluginoutput.Prometheus, text, 0)
		if err != nil || strings.HasSuffix(strings.TrimRight(text, "\r\n"), "# EOF") || beyondTheFormat.MatchString(text) {
			return
		}
		require.Empty(t, errs, "%q", text)
		samples := samplesOf(families)
		if samples == nil {
			return
		}
		require.Len(t, points, len(samples), "%q", text)
		var sum float64
		for _, p := range points {
			sum += finite(p.Value.(float64))
		}
		var want float64
		for _, v := range samples {
			want += finite(v)
		}
		require.InDelta(t, want, sum, math.Abs(want)/1e6)
	})
}

// beyondTheFormat finds what expfmt takes though the format has no such form: quotes
// in a name that is not in braces, a value right behind a name, and carriage returns.
var beyondTheFormat = regexp.MustCompile(`(?m)\r|^[^{\n]*"|^[ \t]*[a-zA-Z_:][a-zA-Z0-9_:]*[-+.]`)

// expfmtReads returns what Prometheus' parser reads, which panics for some texts.
func expfmtReads(text string) (families map[string]*dto.MetricFamily, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic: %v", reason)
		}
	}()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(strings.NewReader(text))
}

// samplesOf returns the values of counters, gauges and untyped metrics, and nil
// if there are others: expfmt joins the samples of histograms and summaries.
func samplesOf(families map[string]*dto.MetricFamily) []float64 {
	samples := []float64{}
	for _, family := range families {
		for _, m := range family.Metric {
			switch family.GetType() {
			case dto.MetricType_COUNTER:
				samples = append(samples, m.GetCounter().GetValue())
			case dto.MetricType_GAUGE:
				samples = append(samples, m.GetGauge().GetValue())
			case dto.MetricType_UNTYPED:
				samples = append(samples, m.GetUntyped().GetValue())
			default:
				return nil
			}
		}
	}
	return samples
}

// finite returns v, or 0 in place of what is not a finite number.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) || math.Abs(v) > 1e300 {
		return 0
	}
	return v
}
