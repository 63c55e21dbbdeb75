package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func reading(r *http.Request) { r.Method = http.MethodGet }

func TestAccessSaysWhatControlWouldAnswer(t *testing.T) {
	test := newAPITest(t, agent.WithLocalControl("token"), agent.WithControlToken(func() string { return "s3cret" }))
	may := test.serve(t, "/me/access", func(r *http.Request) { reading(r); r.Header.Set("Authorization", "Bearer s3cret") })
	require.JSONEq(t, `{"control":true}`, may.body)
	mayNot := test.serve(t, "/me/access", reading)
	require.Equal(t, 200, mayNot.status)
	require.Contains(t, mayNot.body, `{"control":false,"why":"`)
	require.Contains(t, mayNot.body, "api.localcontrol is token")
}

func TestWithoutWarningsTheListIsEmpty(t *testing.T) {
	require.JSONEq(t, `{"warnings":[]}`, newAPITest(t).serve(t, "/me/warnings", reading).body)
}

func TestThePageIsThereUnlessItIsSwitchedOff(t *testing.T) {
	for _, path := range []string{"/", "/page.css", "/page.js"} {
		require.Equal(t, 200, newAPITest(t).serve(t, path, reading).status, path)
		off := newAPITest(t, agent.WithoutPage()).serve(t, path, reading)
		require.Equal(t, 404, off.status, path)
		require.Contains(t, off.detail(t), "api.page", path)
	}
}
