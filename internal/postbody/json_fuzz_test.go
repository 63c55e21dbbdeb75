package postbody_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/postbody"
)

// FuzzReadJSON compares the reader with encoding/json.
func FuzzReadJSON(f *testing.F) {
	for _, body := range []string{
		`[]`, `[{}]`, `[null]`, `[{"name":"a","timestamp":1,"tags":{"k":"v"},"value":1.5e3}]`,
		`[{"NAME":"a","Value":true,"x":[{"y":[1,"2",null,false]}]},{"name":"b","value":"s"}] `,
		`[{"tags":{"a":"b"},"name":"x"},{"tags":{"a":"b"}},{"tags":{"a":"c"}}]`,
		`[{"name":"\u00e9\ud83d\ude00\"\\","value":null,"tags":null}]`, "[{\"name\":\"\xff\xfe\"}]",
		`[{"value":NaN}]`, `[{"value":1e999}]`, `[{"value":01}]`, `[{"value":-}]`, `[{"a":1,"a":2}]`,
		`[{"name":"a"},]`, `[{"name":"a",}]`, `[{"name" "a"}]`, `[1]`, `{}`, ``, `[{"timestamp":1.5}]`,
		`[{"\u006eame":"a"}]`, `[{"name":"a"}]x`, "[{\"name\":\"a\nb\"}]", "\ufeff[{\"name\":\"a\"}]", "\ufeff\ufeff[]",
		`[{"value":-Infinity}]`, `[{"value":Infinity}]`, `[{"value":-Inf}]`,
	} {
		f.Add(body)
	}
	type point struct {
		Name      string            `json:"name"`
		Timestamp int64             `json:"timestamp"`
		Tags      map[string]string `json:"tags"`
		Value     any               `json:"value"`
	}
	f.Fuzz(func(t *testing.T, body string) {
		var got []postbody.Point
		err := postbody.ReadJSON(body, func(p postbody.Point) error { got = append(got, p); return nil })
		if err != nil && isOurs(err.Error()) {
			return
		}
		var want []point
		wantErr := json.Unmarshal([]byte(strings.TrimPrefix(body, "\ufeff")), &want)
		if wantErr != nil && err == nil && strings.Contains(wantErr.Error(), "timestamp") {
			return // fractions are cut off
		}
		if wantErr == nil && want == nil && err != nil {
			return // the word null is not a list
		}
		require.Equal(t, wantErr == nil, err == nil, "%q: encoding/json: %v, here: %v", body, wantErr, err)
		if err != nil {
			return
		}
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, want[i], point(got[i]), "%q", body)
		}
	})
}

// isOurs reports whether an error is one that encoding/json does not make.
func isOurs(err string) bool {
	return strings.Contains(err, "occurs twice") || strings.Contains(err, "a list or an object") || strings.Contains(err, "nested more than")
}
