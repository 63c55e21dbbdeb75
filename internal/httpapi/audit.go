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
		a.config.Audit.Write(line)
	}
	if refused && !a.refusals.add(refusedCaller{c.String(), hostOf(r)}, now) {
		return
	}
	result := fmt.Sprintf("%d %s", code, http.StatusText(code))
	if err != nil {
		result = fmt.Sprintf("%d %v", code, err)
	}
	a.config.Audit.Write(audit.Line{Who: c.String(), From: fromOf(r), What: r.Method + " " + withoutSecrets(r.URL), Result: result})
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

// shown are the parameters whose values the audit log has. Callers may put a
// password or token into others, as clients of InfluxDB do.
var shown = []string{"ns", "repo", "timeout", "param"}

// withoutSecrets returns the path and the parameters of a request's address, as
// they were sent but for values that may be secret.
func withoutSecrets(u *url.URL) string {
	text := u.EscapedPath()
	if u.RawQuery == "" {
		return text
	}
	parameters := strings.Split(u.RawQuery, "&")
	for i, parameter := range parameters {
		name, raw, hasValue := strings.Cut(parameter, "=")
		decoded, err := url.QueryUnescape(name)
		value, wrong := url.QueryUnescape(raw)
		switch {
		case !hasValue || raw == "":
		case err != nil || wrong != nil || !slices.Contains(shown, decoded):
			parameters[i] = name + "=…"
		case decoded == "repo" && withoutUser(value) != value:
			parameters[i] = name + "=" + withoutUser(value)
		}
	}
	return text + "?" + strings.Join(parameters, "&")
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
