package main

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDebugTellsWhatHappens makes an agent ask its registry, deliver, accept a post and use
// its spool. It requires a line for each at DEBUG and none at INFO.
func TestDebugTellsWhatHappens(t *testing.T) {
	for level, tells := range map[string]bool{"DEBUG": true, "INFO": false} {
		h := newHost(t)
		h.configure(t, "log.logdir = \""+h.dir+"/log\"\nlog.loglevel = \""+level+"\"\n")
		h.start(t)
		h.nsqd.Lines(t, "collect.web.shop", 1)
		post := func() bool {
			response, err := http.Post("http://"+h.listen+"/post?ns=web.shop", "application/json", strings.NewReader(`[{"name":"a","value":1}]`))
			require.NoError(t, err)
			return response.Body.Close() == nil && response.StatusCode == http.StatusOK
		}
		require.Eventually(t, post, 10*time.Second, 50*time.Millisecond)
		h.nsqd.Stop()
		require.Eventually(t, post, 10*time.Second, 50*time.Millisecond)
		log := func() string {
			log, err := os.ReadFile(h.dir + "/log/agent.log")
			require.NoError(t, err)
			return string(log)
		}
		require.Eventually(t, func() bool { return strings.Contains(log(), "event=output_down") }, 10*time.Second, 50*time.Millisecond)
		for _, event := range []string{"registry_asked", "batch_delivered", "post_taken", "store_used"} {
			require.Equal(t, tells, strings.Contains(log(), "level=DEBUG") && strings.Contains(log(), " event="+event+" "), "%s at %s:\n%s", event, level, log())
		}
	}
}
