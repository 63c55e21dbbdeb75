package page_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestThePageShowsWhatTheAgentDoes(t *testing.T) {
	b := startBrowser(t)
	h := startHost(t, "")
	p := b.open(t, h.url+"/", 1280, 1600)
	p.shows("#wrong-list", "Nothing is wrong.")
	p.shows("#connection", "Live")
	require.Equal(t, "web1.example.org", p.text("#host"))
	require.Less(t, eval[float64](p, "performance.getEntriesByName('first-contentful-paint')[0].startTime"), 1000.0, "ms until something is seen")

	t.Run("values move", func(t *testing.T) {
		p.shows("#plots", "Memory")
		p.shows("#plots", "user ")
		label := eval[string](p, "document.querySelector('#plots figure').ariaLabel")
		require.Regexp(t, `^CPU now: user [0-9.]+ %, system .*; highest `, label)
		accepted := p.text("#namespaces tbody")
		require.Eventually(t, func() bool { return p.text("#namespaces tbody") != accepted }, patience, 100*time.Millisecond)
	})
	t.Run("nsqd goes away and comes back", func(t *testing.T) {
		h.nsqd.Stop()
		h.post(t, `[{"name":"a","value":1}]`)
		p.shows("#wrong-list", "output: it takes no points, which wait on disk")
		p.shows("#output", "takes no points")
		p.shows("#warnings", "nsqd")
		require.NoError(t, h.nsqd.Restart())
		p.shows("#wrong-list", "Nothing is wrong.")
	})
	t.Run("a plugin is run by its button", func(t *testing.T) {
		p.shows("#plugins", "acme/hello ok")
		p.click("#plugins button[data-what=run]")
		p.shows("#action", "The run failed")
		p.shows("#action", "hello")
		p.shows("#plugins", "acme/hello failed")
		p.click("#plugins summary")
		p.shows("#plugins pre", hostile)
		p.shows("#wrong-list", hostile)
	})
	t.Run("what comes from outside is text", func(t *testing.T) {
		h.post(t, fmt.Sprintf(`[{"name":"b","value":%q,"tags":{%q:%[1]q}}]`, hostile, "<b>"))
		p.focus("#query")
		p.shows("#found", " series")
		eval[string](p, "(document.getElementById('query').value = 'RUN.b <b>=', document.getElementById('query').dispatchEvent(new Event('input')), '')")
		p.shows("#points", hostile)
		require.Equal(t, 1, eval[int](p, "document.scripts.length"))
		require.Zero(t, eval[int](p, "document.images.length + document.querySelectorAll('b').length"))
	})
	t.Run("it explains why a name is not there", func(t *testing.T) {
		explain := func(name string) {
			eval[string](p, fmt.Sprintf("(document.getElementById('name').value = %q, '')", name))
			p.click("#why button")
		}
		explain("acme/hello")
		p.shows("#explained", "acme/hello")
		p.shows("#explained .lost", "It runs only when somebody calls it")
		explain(hostile)
		p.shows("#explained .lost", hostile)
		require.Equal(t, 1, eval[int](p, "document.scripts.length"))
	})
	// The run that failed is a 502 and the unknown name a 404; Chromium's console shows
	// both as errors.
	complaints := p.complaints()
	require.Len(t, complaints, 2)
	require.Contains(t, complaints[0], "502 (Bad Gateway)")
	require.Contains(t, complaints[1], "404 (Not Found)")
	require.Empty(t, p.strangers(h.url), "no request leaves the host")
}

func TestThePageSaysWhatTheRegistryWouldChange(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	h := startHost(t, "", plugin{repo: "acme/a", script: "echo []\n"}, plugin{repo: "acme/b", script: "echo []\n"})
	p := b.open(t, h.url+"/", 1280, 1600)
	p.shows("#registry", "nothing: every answer is in force at once")
	require.NoError(t, os.WriteFile(h.registry, []byte("[[namespace]]\nname = \"web.shop\"\n"), 0o600))
	response, err := http.Post(h.url+"/update", "", nil)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusBadGateway, response.StatusCode, "the answer is not believed yet")
	p.shows("#registry", "− plugin web.shop acme/b")
}

func TestWhoMayNotControlHasNoButtons(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("secret-of-the-fleet\n"), 0o600))
	h := startHost(t, fmt.Sprintf("api.localcontrol = \"token\"\napi.tokenfile = %q\n", token))
	p := b.open(t, h.url+"/", 1280, 800)
	p.shows("#plugins", "acme/hello")
	p.shows("#registry", "you may not")
	require.Zero(t, eval[int](p, "document.querySelectorAll('#plugins button').length"))
	require.Empty(t, p.complaints())
}

func TestThePageSaysThatTheAgentIsGone(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	h := startHost(t, "")
	p := b.open(t, h.url+"/", 1280, 800)
	p.shows("#connection", "Live")
	h.stop()
	p.shows("#connection", "The agent cannot be reached")
	p.shows("#host", "web1.example.org")
}

func TestTenThousandSeriesScroll(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	h := startHost(t, "")
	lists := make([]string, 10)
	for i := range 9000 { // the agent remembers 10,000, the host's own among them
		lists[i/900] += fmt.Sprintf(`,{"name":"series.%04d","value":%[1]d}`, i)
	}
	// Of a flood of posts the agent looks at some only: post until it knows all series.
	require.Eventually(t, func() bool {
		for _, list := range lists {
			h.post(t, "["+list[1:]+"]")
		}
		return h.series(t, "RUN.series.*") == 9000
	}, patience, time.Second)
	p := b.open(t, h.url+"/", 1280, 800)
	p.focus("#query")
	p.shows("#found", ",")
	require.Less(t, eval[int](p, "document.querySelectorAll('#points [role=row]').length"), 60, "only what is seen is there")
	eval[string](p, "(document.getElementById('query').value = 'run.series.', document.getElementById('query').dispatchEvent(new Event('input')), '')")
	p.shows("#found", "9,000 of ")
	eval[string](p, "(document.getElementById('points').scrollTop = 1e9, '')")
	p.shows("#points", "RUN.series.8999")
	require.Less(t, eval[float64](p, `new Promise((resolve) => {
		const list = document.getElementById('points'), began = performance.now();
		let i = 0;
		const step = () => { list.scrollTop = i * 5000; if (i++ < 30) requestAnimationFrame(step); else resolve((performance.now() - began) / 30); };
		step();
	})`), 100.0, "ms for a frame")
}

func TestThePageIsForEverybody(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	axe := axeCore(t)
	h := startHost(t, "")
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 320} {
			t.Run(fmt.Sprint(scheme, " ", width), func(t *testing.T) {
				p := b.open(t, h.url+"/", width, 800, colours(scheme))
				p.shows("#connection", "Live")
				p.shows("#plots", "Memory")
				p.focus("#query")
				p.shows("#points", "agent.alive")
				require.LessOrEqual(t, eval[int64](p, "document.documentElement.scrollWidth"), width, "nothing is cut off")
				if axe == "" {
					t.Skip("axe-core is not here: npm is not installed, or has no network")
				}
				found := eval[[]string](p, axe+`; axe.run().then((r) => r.violations.map((v) => v.id + ': ' + v.help + ' ' + v.nodes.map((n) => n.html + ' ' + n.failureSummary).join('; ')))`)
				require.Empty(t, found)
			})
		}
	}
}
