package httpapi

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDescriptionHasEveryEndpointWithItsMethodsAndStatusCodes(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(openAPI, &doc))
	endpoints := (&api{}).endpoints()
	require.Equal(t, slices.Sorted(maps.Keys(endpoints)), slices.Sorted(maps.Keys(doc.Paths)))
	for path, e := range endpoints {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
			content, described := doc.Paths[path][strings.ToLower(method)]
			require.Equal(t, slices.Contains(e.methods(), method), described, "%s %s", method, path)
			if !described {
				continue
			}
			var operation struct{ Responses map[int]any }
			require.NoError(t, json.Unmarshal(content, &operation))
			require.ElementsMatch(t, slices.Collect(maps.Keys(operation.Responses)), e.codes(), "%s %s", method, path)
		}
	}
}
