package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
)

// checkSite refuses what a browser does on behalf of another site.
func (a *api) checkSite(r *http.Request) error {
	if !fromUnixSocket(r) && !a.isOwnHost(r.Host) {
		return problem(http.StatusForbidden, "The request is for the host %.100q, which is not known to be this one:"+
			" use the host's IP address, or add the name to api.hosts.", r.Host)
	}
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "", "none", "same-origin":
	default:
		return problem(http.StatusForbidden, "A browser made this request for another site (Sec-Fetch-Site: %.20q), which this API refuses.", site)
	}
	for _, origin := range r.Header.Values("Origin") {
		if u, err := url.Parse(origin); err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return problem(http.StatusForbidden, "A browser made this request for another site (Origin: %.100q), which this API refuses.", origin)
		}
	}
	return nil
}

// isOwnHost tells whether host, as the Host header has it, can only be this
// one. A page of evil.test can let that name resolve to 127.0.0.1 or to an
// address of the intranet, and a browser then takes the agent for the page's
// own server; but it still sends the name. An IP address is not subject to
// this, because resolving plays no part in it, and neither is the host's own
// name, which the page does not own.
func (a *api) isOwnHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	name = hostKey(name)
	if name == "" || name == "localhost" { // empty: HTTP/1.0, which no browser speaks
		return true
	}
	own := hostKey(a.agent.Hostname())
	system, _ := os.Hostname() // where it is not known, it matches nothing
	return name == own || name == hostKey(system) || name == shortName(own) || slices.ContainsFunc(a.config.Hosts, func(host string) bool { return name == hostKey(host) })
}

// hostKey returns a host name in the form in which names are compared.
func hostKey(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// shortName returns the first label of a host name.
func shortName(name string) string {
	short, _, _ := strings.Cut(name, ".")
	return short
}

// checkControl refuses whoever may not control the agent.
func (a *api) checkControl(r *http.Request) error {
	if isLocal(r) || a.hasToken(r) || hasClientCertificate(r) {
		return nil
	}
	why := "No token is set: set api.tokenfile in the agent's config"
	if a.token() != "" {
		why = "The request has no Authorization header with the token of api.tokenfile"
		if r.Header.Get("Authorization") != "" {
			why = "The request's Authorization header does not have the token of api.tokenfile"
		}
	}
	return problem(http.StatusForbidden, "Only callers on the agent's own host may do this, directly and not through a proxy,"+
		" and callers who send \"Authorization: Bearer TOKEN\" or a client certificate of api.clientca. %s.", why)
}

// isLocal tells whether the caller is on this host. What a proxy on this host
// relays comes from who knows where.
func isLocal(r *http.Request) bool {
	for _, header := range []string{"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip"} {
		if _, relayed := r.Header[header]; relayed {
			return false
		}
	}
	if fromUnixSocket(r) {
		return true
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && remote.Addr().Unmap().IsLoopback()
}

// fromUnixSocket tells whether the server that received the request listens on
// a unix socket. The caller's own address would not do: it may be anything.
func fromUnixSocket(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && local.Network() == "unix"
}

func (a *api) token() string {
	if a.config.Token == nil {
		return ""
	}
	return a.config.Token()
}

// hasToken compares in a time that does not depend on the token, nor on its
// length.
func (a *api) hasToken(r *http.Request) bool {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token := a.token()
	if token == "" || !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	want, got := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(strings.TrimSpace(given)))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// hasClientCertificate tells whether the server has verified a certificate of
// the caller.
func hasClientCertificate(r *http.Request) bool {
	return r.TLS != nil && len(r.TLS.VerifiedChains) > 0
}
