package httpapi_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func TestPostWithoutNamespaceGoesToTheOnlyOne(t *testing.T) {
	test := newAPITest(t)
	body := `[{"name":"a","value":1}]`
	require.Equal(t, 200, test.do(t, "POST", "/post", body).status)
	require.Len(t, test.output.posted("ns.one"), 1)

	test.registry.set(func(r *apiRegistry) { r.assignments = append(r.assignments, agent.Assignment{Namespace: "ns.two"}) })
	require.NoError(t, test.agent.Update(t.Context()))
	got := test.do(t, "POST", "/post", body)
	require.Equal(t, 400, got.status)
	require.Contains(t, got.detail(t), "/post?ns=NAMESPACE")
}

func TestPostRefusesNamespacesThatNameNothing(t *testing.T) {
	test := newAPITest(t)
	for _, namespace := range []string{
		"a\nb", "a b", "a,b", "a=b", `a"b`, "a\x00b", "../../etc/passwd", "a/b", "ü", strings.Repeat("n", 256), "a;b", "a%", "\\", "a#b", "*",
	} {
		got := test.do(t, "POST", "/post?ns="+url.QueryEscape(namespace), `[{"name":"a","value":1}]`)
		require.Equal(t, 400, got.status, "%q", namespace)
		require.Contains(t, got.detail(t), "namespace")
	}
	for _, query := range []string{"ns=a&ns=b", "ns=%zz", "ns=a;ns=b"} {
		require.Equal(t, 400, test.do(t, "POST", "/post?"+query, `[{"name":"a","value":1}]`).status, query)
	}
}

func TestPostGoesToTheHostsNamespacesAndThoseThatTheConfigAllows(t *testing.T) {
	body := `[{"name":"a","value":1}]`
	test := newAPITest(t)
	got := test.do(t, "POST", "/post?ns=made.up", body)
	require.Equal(t, 403, got.status)
	require.Contains(t, got.detail(t), "api.namespaces")
	require.Empty(t, test.output.posted("made.up"))
	require.NotContains(t, test.agent.Status().Accounts, "made.up")
	require.Equal(t, 200, test.do(t, "POST", "/post?ns=ns.one", body).status)

	test = newAPITest(t, agent.WithAPINamespaces("shop.*", "one-[0-9]"))
	for namespace, status := range map[string]int{"ns.one": 200, "shop.web": 200, "one-7": 200, "shop": 403, "one-77": 403, "my.shop.web": 403, "shop.*": 400} {
		require.Equal(t, status, test.do(t, "POST", "/post?ns="+namespace, body).status, namespace)
	}
}

func TestPostIsToldToWaitUntilTheHostsNamespacesAreKnown(t *testing.T) {
	a, err := agent.New(agent.WithRegistry(&apiRegistry{}), agent.WithOutput(&apiOutput{}), agent.WithHostname("h"), agent.WithAPINamespaces("shop.*"))
	require.NoError(t, err)
	for path, status := range map[string]int{"/post": 503, "/post?ns=ns.one": 503, "/post?ns=shop.web": 200} {
		recorder := httptest.NewRecorder()
		a.Handler().ServeHTTP(recorder, httptest.NewRequest("POST", "http://localhost"+path, strings.NewReader(`[{"name":"a","value":1}]`)))
		require.Equal(t, status, recorder.Code, path)
		require.Equal(t, status == 503, recorder.Header().Get("Retry-After") != "", path)
	}
}

func TestPostsCannotMakeUpNamespacesWithoutEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		output := &apiOutput{}
		a, err := agent.New(agent.WithRegistry(&apiRegistry{}), agent.WithOutput(output), agent.WithHostname("h"), agent.WithAPINamespaces("*"))
		require.NoError(t, err)
		handler := a.Handler()
		post := func(namespace string) int {
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequest("POST", "http://localhost/post?ns="+namespace, strings.NewReader(`[{"name":"a","value":1}]`)))
			return recorder.Code
		}
		for i := range 1000 {
			require.Equal(t, 200, post(fmt.Sprintf("made.up.%d", i)))
		}
		require.Equal(t, 403, post("one.more"))
		time.Sleep(time.Hour - time.Second)
		require.Equal(t, 200, post("made.up.5"), "known")
		require.Equal(t, 403, post("one.more"))
		time.Sleep(time.Second)
		require.Equal(t, 200, post("one.more"), "namespaces that nobody posts to make room")
		require.Equal(t, 200, post("made.up.5"))
	})
}
