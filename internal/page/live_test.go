package page_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

func TestWhatAPersonLooksAtStaysWhenTheStatusChanges(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	h := startHost(t, "")
	p := b.open(t, h.url+"/", 1280, 1600)
	p.shows("#plugins", "acme/hello ok")
	p.click("#plugins button[data-what=run]")
	p.shows("#plugins", "acme/hello failed")
	p.click("#plugins summary")
	p.shows("#plugins pre", hostile)

	facts := p.text("#plugins article p")
	p.click("#plugins button[data-what=run]")
	require.Eventually(t, func() bool { return p.text("#plugins article p") != facts }, patience, 50*time.Millisecond)
	require.True(t, eval[bool](p, "document.querySelector('#plugins details').open"), "what was opened stays open")
	require.Equal(t, "run", eval[string](p, "document.activeElement.dataset.what ?? ''"), "the focus stays on the button")
}

func TestOnlyATabThatIsSeenHasAStream(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	h := startHost(t, "")
	p := b.open(t, h.url+"/", 1280, 800, countStreams())
	p.shows("#connection", "Live")
	// What matters is that a tab is hidden while the page still asks.
	eval[string](p, `['hidden', 'seen', 'hidden', 'seen', 'hidden'].map(become) && ''`)
	p.staysAt(0, openStreams)
	eval[string](p, `['seen', 'hidden', 'seen'].map(become) && ''`)
	require.Eventually(t, func() bool { return openStreams(p) > 0 }, patience, 50*time.Millisecond)
	p.shows("#connection", "Live")
	p.staysAt(1, openStreams)
}

func TestThePageAsksWhileItGetsNoStream(t *testing.T) {
	t.Parallel()
	b := startBrowser(t)
	h := startHost(t, "")
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for range 64 { // all that there are
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+"/me/stream", http.NoBody)
		require.NoError(t, err)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		defer response.Body.Close()
		require.Equal(t, http.StatusOK, response.StatusCode)
	}
	p := b.open(t, h.url+"/", 1280, 800)
	p.shows("#connection", "Asking every 10 s")
	p.shows("#plots", "Memory")
	leave()
	p.shows("#connection", "Live")
}

func openStreams(p *tab) int {
	return eval[int](p, "streams.filter((s) => s.readyState !== EventSource.CLOSED).length")
}

// countStreams keeps the streams that the page opens in the variable streams. The
// function become hides or shows the tab, as far as the page can tell.
func countStreams() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
			const streams = [];
			EventSource = class extends EventSource {
				constructor(...args) { super(...args); streams.push(this); }
			};
			const become = (state) => {
				Object.defineProperty(document, 'hidden', { value: state === 'hidden', configurable: true });
				document.dispatchEvent(new Event('visibilitychange'));
			};`})
		return err
	})
}
