package nonfinite_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/nonfinite"
)

func TestWordsOutsideOfStringsAreReplaced(t *testing.T) {
	for text, want := range map[string]string{
		`[NaN, -Infinity,Infinity]`:       `[0, 0,0]`,
		`{"NaN":"is \"NaN","x":NaN}`:      `{"NaN":"is \"NaN","x":0}`,
		`["Infinity\\",Infinity,"-NaN"]`:  `["Infinity\\",0,"-NaN"]`,
		`[-NaN]`:                          `[0]`,
		`[NaNs, Infinity1, 1.5, "a", []]`: `[NaNs, Infinity1, 1.5, "a", []]`,
		`["not closed NaN`:                `["not closed 0`,
		``:                                ``,
	} {
		require.Equal(t, want, string(nonfinite.Replace([]byte(text), "0")), "%s", text)
	}
}
