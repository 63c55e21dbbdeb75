package page_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/page"
)

func TestTheWholePageIsSmallAndLoadsNothingFromElsewhere(t *testing.T) {
	total := 0
	for path, file := range page.New() {
		answer := get(file, path, nil)
		require.Equal(t, http.StatusOK, answer.Code)
		require.Contains(t, answer.Header().Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'; style-src 'self'")
		total += answer.Body.Len()
	}
	require.Less(t, total, 60<<10, "bytes of the whole page")
}

func TestAFileThatHasNotChangedIsNotSentAgain(t *testing.T) {
	for path, file := range page.New() {
		tag := get(file, path, nil).Header().Get("ETag")
		again := get(file, path, http.Header{"If-None-Match": {tag}})
		require.Equal(t, http.StatusNotModified, again.Code)
		require.Empty(t, again.Body.Bytes())
		require.Equal(t, http.StatusOK, get(file, path, http.Header{"If-None-Match": {`"older"`}}).Code)
	}
}

func get(file page.File, path string, header http.Header) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	request.Header = header
	answer := httptest.NewRecorder()
	file.ServeHTTP(answer, request)
	return answer
}
