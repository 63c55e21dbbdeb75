// Package page has the page that shows a person what the agent does: one HTML, one
// CSS and one JavaScript file, as they are in this directory. They load nothing
// from elsewhere, and ask the agent's HTTP API for all that they show.
package page

import (
	"crypto/sha256"
	_ "embed" // of the files
	"encoding/hex"
	"net/http"
	"strconv"
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
type Files map[string]File

// New returns the files of the page.
func New() Files {
	return Files{
		"/":         newFile("text/html; charset=utf-8", index),
		"/page.css": newFile("text/css; charset=utf-8", style),
		"/page.js":  newFile("text/javascript; charset=utf-8", script),
	}
}

// File is one of them.
type File struct {
	kind, tag string
	content   []byte
}

func newFile(kind string, content []byte) File {
	sum := sha256.Sum256(content)
	return File{kind: kind, tag: `"` + hex.EncodeToString(sum[:8]) + `"`, content: content}
}

// ServeHTTP answers with the file. A browser asks each time whether it has changed, as
// the agent may have been upgraded. It is not compressed: docs/decisions/page.md says why.
func (f File) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-cache")
	header.Set("Content-Security-Policy", securityPolicy)
	header.Set("Referrer-Policy", "same-origin")
	header.Set("ETag", f.tag)
	if r.Header.Get("If-None-Match") == f.tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	header.Set("Content-Type", f.kind)
	header.Set("Content-Length", strconv.Itoa(len(f.content)))
	_, _ = w.Write(f.content) // a caller that went away wants no answer
}
