package page_test

import (
	"context"
	_ "embed" // of the hour
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

var picturesDir = flag.String("pictures", "", "write the pictures of the page into this `directory`")

// hour makes the page believe that the agent has run for an hour on a busy host: a
// script that answers for /me/history.
//
//go:embed testdata/hour.js
var hour string

func TestPicturesOfThePage(t *testing.T) {
	if *picturesDir == "" {
		t.Skip("makes no pictures without -pictures, see make pictures")
	}
	b := startBrowser(t)
	h := startHost(t, "", plugin{"acme/backup", 60, "echo '[{\"name\":\"age\",\"value\":3}]'\n"}, plugin{"acme/mysql", 10, "echo '[]'; echo 'cannot connect to 127.0.0.1:3306' >&2; exit 1\n"})
	for _, picture := range []struct {
		name, colours string
		width, height int64
	}{
		{"page-light", "light", 1200, 980}, {"page-dark", "dark", 1200, 980}, {"page-phone", "light", 390, 844},
	} {
		p := b.open(t, h.url+"/", picture.width, picture.height, colours(picture.colours), before(hour))
		p.shows("#connection", "Live")
		p.shows("#wrong-list", "cannot connect")
		p.shows("#plugins", "acme/backup ok")
		require.NoError(t, os.MkdirAll(*picturesDir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(*picturesDir, picture.name+".png"), p.screenshot(), 0o644))
	}
}

// before runs a script before those of the page.
func before(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return err
	})
}
