package httpapi_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/require"
)

// described is the API's own description, with which every answer in these tests is compared.
type described struct{ routers.Router }

func describedAPI(t *testing.T) described {
	t.Helper()
	content, err := os.ReadFile("openapi.json")
	require.NoError(t, err)
	doc, err := openapi3.NewLoader().LoadFromData(content)
	require.NoError(t, err)
	doc.Servers = nil
	router, err := legacy.NewRouter(doc)
	require.NoError(t, err)
	return described{router}
}

// check fails the test unless the answer is one that the description has. The
// methods that no endpoint takes and the paths that are none are not in it.
func (d described) check(t *testing.T, r *http.Request, a answer) {
	t.Helper()
	if a.status == http.StatusMethodNotAllowed || a.status == http.StatusNotFound && r.URL.Query().Get("repo") == "" { // no such path
		return
	}
	route, parameters, err := d.FindRoute(r)
	require.NoError(t, err, "%s %s is not in openapi.json", r.Method, r.URL.Path)
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: parameters, Route: route},
		Status:                 a.status,
		Header:                 a.header,
		Body:                   io.NopCloser(bytes.NewReader([]byte(a.body))),
		Options:                &openapi3filter.Options{IncludeResponseStatus: true, ExcludeResponseBody: r.Method == http.MethodHead},
	})
	require.NoError(t, err, "%s %s", r.Method, r.URL)
}

func TestDescriptionNamesWhatIsServed(t *testing.T) {
	test := newAPITest(t)
	got := test.do(t, "GET", "/openapi.json", "")
	doc, err := openapi3.NewLoader().LoadFromData([]byte(got.body))
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // a stream ends at once
			request := httptest.NewRequestWithContext(ctx, method, "http://localhost"+path, nil)
			request.RemoteAddr = "127.0.0.1:999"
			recorder := httptest.NewRecorder()
			test.server.Config.Handler.ServeHTTP(recorder, request)
			require.NotContains(t, []int{404, 405}, recorder.Code, "%s %s", method, path)
		}
	}
}
