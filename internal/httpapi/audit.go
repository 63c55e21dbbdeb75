package httpapi

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/audit"
)

// audit writes a line about a request and its answer. Of many refusals of one
// caller it writes how many there were.
func (a *api) audit(r *http.Request, c caller, code int, refused bool, err error) {
	now := time.Now()
	for _, line := range a.refusals.sums(now) {
		a.config().Audit.Write(line)
	}
	if refused && !a.refusals.add(refusedCaller{c.String(), hostOf(r)}, now) {
		return
	}
	result := fmt.Sprintf("%d %s", code, http.StatusText(code))
	if err != nil {
		result = fmt.Sprintf("%d %v", code, err)
	}
	a.config().Audit.Write(audit.Line{Who: c.String(), From: fromOf(r), What: r.Method + " " + called(r.URL), Result: result})
}

// hostOf returns where a request came from, without the port.
func hostOf(r *http.Request) string {
	from := fromOf(r)
	if host, _, err := net.SplitHostPort(from); err == nil {
		return host
	}
	return from
}

// fromOf returns where a request came from.
func fromOf(r *http.Request) string {
	if fromUnixSocket(r) {
		return "unix socket"
	}
	return r.RemoteAddr
}

// shown are the parameters that the audit log contains, in its order: they say what is
// called. Callers may put a password or token into others, as clients of InfluxDB do.
var shown = []string{"ns", "db", "bucket", "repo", "timeout", "param"}

// maxShown bounds each of them in the audit log, in bytes. Together they fit into a line,
// so a long one cannot displace another.
const maxShown = 100

// called returns the path of a request and the parameters that say what it calls.
func called(u *url.URL) string {
	query, _ := url.ParseQuery(u.RawQuery) // of a malformed query, the valid part
	text, others := shorten(u.EscapedPath()), 0
	for separator, i := "?", 0; i < len(shown); i++ {
		if values := query[shown[i]]; len(values) > 0 {
			value := values[0]
			if shown[i] == "repo" {
				value = withoutUser(value)
			}
			text += separator + shown[i] + "=" + shorten(escape(value))
			separator = "&"
		}
	}
	for name, values := range query {
		others += len(values)
		if slices.Contains(shown, name) {
			others--
		}
	}
	if others > 0 {
		text += fmt.Sprintf(" (other parameters: %d)", others)
	}
	return text
}

// escape escapes the characters of a value that would end it.
func escape(value string) string {
	return strings.NewReplacer("%2F", "/", "%3A", ":", "%40", "@", "+", "%20").Replace(url.QueryEscape(value))
}

func shorten(text string) string {
	if len(text) > maxShown {
		return text[:maxShown] + "…"
	}
	return text
}

// withoutUser returns the address of a repository without its user, which may
// have a password. Names of organisations and projects have no @.
func withoutUser(address string) string {
	scheme, rest, isURL := strings.Cut(address, "://")
	if !isURL {
		scheme, rest = "", address
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 || !isURL && !strings.Contains(rest[:at], ":") { // git@host:ORG/PROJECT has no password
		return address
	}
	if isURL {
		scheme += "://"
	}
	return scheme + rest[at+1:]
}
