package pluginoutput_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/pluginoutput"
)

// elements returns the elements of a list as texts.
func elements(t *testing.T, stdout string) (texts []string) {
	t.Helper()
	all, err := pluginoutput.Elements([]byte(stdout))
	require.NoError(t, err, stdout)
	for element := range all {
		texts = append(texts, string(element))
	}
	return texts
}

func TestElementsAreCutAtTheCommasOfTheListItself(t *testing.T) {
	for stdout, want := range map[string][]string{
		"[]":                              nil,
		" [\n\t] ":                        nil,
		"[1]":                             {"1"},
		"\xef\xbb\xbf[ 1 , \"a,b\" ]\r\n": {"1", `"a,b"`},
		`[{"a":[1,2],"b":{"c":3}},[4,5]]`: {`{"a":[1,2],"b":{"c":3}}`, "[4,5]"},
		`["\"],[", "\\"]`:                 {`"\"],["`, `"\\"`},
		`[{"v":NaN},{"v":1}]`:             {`{"v":1e999}`, `{"v":1}`},
	} {
		require.Equal(t, want, elements(t, stdout), "%q", stdout)
	}
}

func TestReadingMayStopAtAnyElement(t *testing.T) {
	all, err := pluginoutput.Elements([]byte("[1,2,3]"))
	require.NoError(t, err)
	for element := range all {
		require.Equal(t, "1", string(element))
		break
	}
}

func TestWhatIsNoListSaysWhatToPrint(t *testing.T) {
	for stdout, want := range map[string]string{
		"":       "it printed nothing; print [",
		"null":   "null is not a list; print []",
		`"text"`: "the string is not a list; print [",
		"{}":     "the object is not a list; print [",
		"[1,2":   "unexpected end of JSON input, at byte 4",
		"[1] x":  "at byte 5: … [1] x …",
		"hello":  "at byte 1: … hello …",
	} {
		_, err := pluginoutput.Elements([]byte(stdout))
		require.ErrorContains(t, err, want, "%q", stdout)
	}
}

func TestElementThatIsNoMetricIsExplainedToItsAuthor(t *testing.T) {
	type metric struct {
		Name      string            `json:"name"`
		Value     float64           `json:"value"`
		Timestamp int64             `json:"timestamp"`
		Tags      map[string]string `json:"tags"`
	}
	for element, want := range map[string]string{
		`1`:                              `a number is not a metric: write {"name"`,
		`{"name":1}`:                     "the name is a number: put it in quotes",
		`{"name":"a","value":1e999}`:     "the value is not a finite number",
		`{"name":"a","timestamp":1.5}`:   "the timestamp is a number 1.5: write whole seconds",
		`{"name":"a","tags":{"port":1}}`: "in the tags there is a number",
	} {
		require.ErrorContains(t, pluginoutput.Decode([]byte(element), new(metric)), want, element)
	}
	var m metric
	require.NoError(t, pluginoutput.Decode([]byte(`{"name":"a","value":2,"unknown":[]}`), &m))
	require.Equal(t, metric{Name: "a", Value: 2}, m)
}
