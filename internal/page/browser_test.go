package page_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// patience is how long a test waits for something to appear. The machine may be busy.
const patience = 30 * time.Second

// browser is a Chromium without a window.
type browser struct{ ctx context.Context }

// startBrowser starts Debian's Chromium, and skips the test if there is none.
func startBrowser(t *testing.T) browser {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("the page is not tried in a browser: chromium is not installed (apt-get install chromium)")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WSURLReadTimeout(patience),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for its processes
		closeBrowser()
		stop()
	})
	require.NoError(t, chromedp.Do(ctx))
	return browser{ctx}
}

// tab is a page in the browser, with what it said and asked for.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	errors   []string // of the console; guarded by mu
	requests []string // guarded by mu
}

// open opens a page in a window of this size, after the actions.
func (b browser) open(t *testing.T, url string, width, height int64, before ...chromedp.Action[chromedp.Void]) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	t.Cleanup(cancel)
	p := &tab{t: t, ctx: ctx}
	require.NoError(t, chromedp.Listen(ctx, p.listen))
	p.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, networkErr := cdp.Call(ctx, target, network.Enable, network.EnableParams{})
		_, logErr := cdp.Call(ctx, target, log.Enable, cdp.Empty{})
		return errors.Join(networkErr, logErr)
	}), chromedp.EmulateViewport(width, height))
	p.do(append(before, chromedp.Navigate(url))...)
	return p
}

func (p *tab) listen(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.requests = append(p.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		p.errors = append(p.errors, fmt.Sprintf("%+v", e.ExceptionDetails))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError {
			p.errors = append(p.errors, string(e.Args[0].Value))
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			p.errors = append(p.errors, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// complaints returns what the browser complained of, a violated policy among it.
func (p *tab) complaints() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.errors
}

// hosts returns the requests that did not go to the agent.
func (p *tab) strangers(agent string) (others []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, url := range p.requests {
		if !strings.HasPrefix(url, agent+"/") && !strings.HasPrefix(url, "data:") {
			others = append(others, url)
		}
	}
	return others
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	require.NoError(p.t, chromedp.Do(ctx, actions...))
}

// eval returns the value of a JavaScript expression.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(p.t, err, expression)
	return value
}

// text returns the text of an element as a person sees it.
func (p *tab) text(selector string) string {
	p.t.Helper()
	return eval[string](p, "document.querySelector('"+selector+"').innerText")
}

// shows waits until an element has this text in it.
func (p *tab) shows(selector, text string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return strings.Contains(p.text(selector), text) },
		patience, 50*time.Millisecond, "%s never said %q", selector, text)
}

// staysAt asks for a second whether a count changes. It asks in the test's own
// goroutine: the last question of [require.Never] may outlive the test and its
// browser.
func (p *tab) staysAt(want int, count func(*tab) int) {
	p.t.Helper()
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		require.Equal(p.t, want, count(p))
	}
}

// click clicks with the mouse.
func (p *tab) click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

// focus gives an element the focus of the keyboard, wherever it has moved to meanwhile.
func (p *tab) focus(selector string) {
	p.t.Helper()
	p.do(chromedp.Focus(chromedp.CSS(selector)))
}

// screenshot returns a PNG of the window.
func (p *tab) screenshot() []byte {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	require.NoError(p.t, err)
	return png
}
