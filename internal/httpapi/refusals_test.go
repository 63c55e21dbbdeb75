package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

func TestManyRefusalsOfOneCallerAreCountedAndNoControlCallIsLost(t *testing.T) {
	log := &auditLog{}
	test := newAPITest(t, agent.WithAuditLog(log))
	synctest.Test(t, func(t *testing.T) {
		from := func(address string) func(*http.Request) {
			return func(r *http.Request) { r.RemoteAddr = address }
		}
		for i := range 500 {
			for _, refused := range []string{"/update", "/post?ns=not.mine"} {
				test.serve(t, refused, from(fmt.Sprintf("192.0.2.7:%d", 1000+i)))
			}
			test.serve(t, "/plugins/enable?ns=ns.one&repo=acme/other", from("127.0.0.1:999")) // is not a refusal
		}
		test.serve(t, "/update", from("[2001:db8::1]:5"))
		written := map[string]int{}
		for _, line := range log.take(t) {
			host, _, _ := strings.Cut(line["from"], ":")
			written[host]++
		}
		require.Equal(t, map[string]int{"192.0.2.7": 50, "127.0.0.1": 500, "[2001": 1}, written)

		time.Sleep(time.Minute)
		test.serve(t, "/update", from("192.0.2.7:1"))
		lines := log.take(t)
		require.Len(t, lines, 2)
		require.Regexp(t, `^950 more requests since 2000-01-01T00:00:00Z$`, lines[0]["what"])
		require.Equal(t, "refused, like the 50 before them", lines[0]["result"])
		require.Equal(t, "192.0.2.7", lines[0]["from"])
		require.Equal(t, "unknown", lines[0]["who"])
		require.Equal(t, "192.0.2.7:1", lines[1]["from"], "a new minute has its own lines")
	})
}

func TestRefusedCallersWithoutEndAreCountedTogether(t *testing.T) {
	log := &auditLog{}
	test := newAPITest(t, agent.WithAuditLog(log))
	for i := range 3000 {
		test.serve(t, "/update", func(r *http.Request) { r.RemoteAddr = fmt.Sprintf("[2001:db8::%x]:5", i) })
	}
	require.Len(t, log.take(t), 1050)
}
