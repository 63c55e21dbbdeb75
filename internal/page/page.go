// Package page has the page that shows a person what the agent does: one HTML, one
// CSS and one JavaScript file, as they are in this directory. They load nothing
// from elsewhere, and ask the agent's HTTP API for all that they show.
package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed" // of the files
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

//go:embed index.html
var index []byte

//go:embed page.css
var style []byte

//go:embed page.js
var script []byte

// securityPolicy lets the page load its own two files and ask its own host, and
// nothing else: no code in the HTML, no frames, no other hosts.
//
// https://www.w3.org/TR/CSP3/
const securityPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Files are the files of the page by their path in the API.
type Files map[string]*File

// New returns the files of the page.
func New() Files {
	return Files{
		"/":         {kind: "text/html; charset=utf-8", content: index},
		"/page.css": {kind: "text/css; charset=utf-8", content: style},
		"/page.js":  {kind: "text/javascript; charset=utf-8", content: script},
	}
}

// File is one of them. It is packed when somebody first asks for it.
type File struct {
	kind    string
	content []byte

	once   sync.Once
	packed []byte
	tag    string
}

func (f *File) pack() {
	var packed bytes.Buffer
	w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression) // the level is one that there is
	_, _ = w.Write(f.content)                                  // a buffer takes all
	_ = w.Close()
	sum := sha256.Sum256(f.content)
	f.packed, f.tag = packed.Bytes(), `"`+hex.EncodeToString(sum[:8])+`"`
}

// ServeHTTP answers with the file, packed for those who can unpack it. A browser
// asks each time whether it has changed, as the agent may have been upgraded.
func (f *File) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.once.Do(f.pack)
	header := w.Header()
	header.Set("Cache-Control", "no-cache")
	header.Set("Content-Security-Policy", securityPolicy)
	header.Set("Referrer-Policy", "same-origin")
	header.Set("ETag", f.tag)
	header.Set("Vary", "Accept-Encoding")
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	content := f.content
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		header.Set("Content-Encoding", "gzip")
		content = f.packed
	}
	header.Set("Content-Type", f.kind)
	header.Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content) // a caller that went away wants no answer
}
