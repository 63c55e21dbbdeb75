package pluginoutput

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/lineproto"
)

// elements returns the elements of a list as texts.
func elements(t *testing.T, stdout string) (texts []string) {
	t.Helper()
	list, err := listIn([]byte(stdout))
	require.NoError(t, err, stdout)
	for element := range elementsOf(list) {
		texts = append(texts, string(element))
	}
	return texts
}

func TestElementsAreCutAtTheCommasOfTheListItself(t *testing.T) {
	for stdout, want := range map[string][]string{
		"[]":                              nil,
		" [\n\t] ":                        nil,
		"[1]":                             {"1"},
		"[ 1 , \"a,b\" ]\r\n":             {"1", `"a,b"`},
		`[{"a":[1,2],"b":{"c":3}},[4,5]]`: {`{"a":[1,2],"b":{"c":3}}`, "[4,5]"},
		`["\"],[", "\\"]`:                 {`"\"],["`, `"\\"`},
		`[{"v":NaN},{"v":1}]`:             {`{"v":1e999}`, `{"v":1}`},
	} {
		require.Equal(t, want, elements(t, stdout), "%q", stdout)
	}
}

func TestReadingMayStopAtAnyElement(t *testing.T) {
	for _, lines := range []bool{false, true} {
		points, err := Print{Stdout: []byte("\xef\xbb\xbf" + `[{"name":"a"},{"name":"b"}]`), Lines: lines}.Points()
		require.NoError(t, err)
		for point := range points {
			require.Equal(t, "a", point.Name)
			break
		}
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
		_, err := Print{Stdout: []byte(stdout)}.Points()
		require.ErrorContains(t, err, want, "%q", stdout)
	}
}

func TestElementThatIsNoMetricIsExplainedToItsAuthor(t *testing.T) {
	for element, want := range map[string]string{
		`1`:                              `a number is not a metric: write {"name"`,
		`{"name":1}`:                     "the name is a number: put it in quotes",
		`{"name":"a","value":1e999}`:     "the value is not a finite number",
		`{"name":"a","timestamp":1.5}`:   "the timestamp is a number 1.5: write whole seconds",
		`{"name":"a","tags":{"port":1}}`: "in the tags there is a number",
	} {
		_, err := decodeElement([]byte(element))
		require.ErrorContains(t, err, want, element)
	}
	point, err := decodeElement([]byte(`{"name":"a","value":2,"unknown":[]}`))
	require.NoError(t, err)
	require.Equal(t, lineproto.Point{Name: "a", Value: 2.0}, point)
}

func TestElementThatIsNotAnObjectIsNamedAsEncodingJSONNamesIt(t *testing.T) {
	for _, element := range []string{"[]", `"a"`, "true", "false", "1", "-1"} {
		var kind *json.UnmarshalTypeError
		require.ErrorAs(t, json.Unmarshal([]byte(element), new(struct{})), &kind)
		_, err := decodeElement([]byte(element))
		require.EqualError(t, err, "a "+kind.Value+` is not a metric: write {"name": "…", "value": 1}`, element)
	}
}
