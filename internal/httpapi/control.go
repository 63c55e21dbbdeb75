package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// caller is the proven identity of a request's sender.
type caller struct {
	certificate string // subject of a verified one; empty: there is none
	hasToken    bool
	wrongToken  bool // there is an Authorization header without the token
	local       bool // on this host, and not through a proxy
	uid         int  // of the process at the other end of a unix socket; -1: unknown
}

// callerOf returns who makes a request.
func (a *api) callerOf(r *http.Request) caller {
	c := caller{local: isLocal(r), uid: -1, hasToken: a.hasToken(r)}
	c.wrongToken = !c.hasToken && r.Header.Get("Authorization") != ""
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 { // the server has verified it
		c.certificate = "certificate " + r.TLS.VerifiedChains[0][0].Subject.String()
	}
	if uid, known := r.Context().Value(uidKey{}).(int); known && c.local {
		c.uid = uid
	}
	return c
}

// mayControl tells whether the caller may control the agent.
func (c caller) mayControl() bool { return c.local || c.hasToken || c.certificate != "" }

// String returns the strongest proof of who the caller is.
func (c caller) String() string {
	who := "unknown"
	switch {
	case c.certificate != "":
		who = cut(c.certificate)
	case c.hasToken:
		who = "token"
	case c.uid >= 0:
		who = "uid " + strconv.Itoa(c.uid)
	case c.local:
		who = "loopback"
	}
	if c.wrongToken {
		who += ", wrong token"
	}
	return who
}

// checkControl refuses callers that may not control the agent.
func (a *api) checkControl(r *http.Request) error {
	c := a.callerOf(r)
	if c.mayControl() {
		return nil
	}
	why := "No token is set: set api.tokenfile in the agent's config"
	if a.token() != "" {
		why = "The request has no Authorization header with the token of api.tokenfile"
		if c.wrongToken {
			why = "The request's Authorization header does not have the token of api.tokenfile"
		}
	}
	return problem(http.StatusForbidden, "Only callers on the agent's own host may do this, directly and not through a proxy,"+
		" and callers who send \"Authorization: Bearer TOKEN\" or a client certificate of api.clientca. %s.", why)
}

// isLocal tells whether the caller is on this host. A request that a proxy on
// this host relays may come from anywhere.
func isLocal(r *http.Request) bool {
	if isRelayed(r.Header) {
		return false
	}
	if fromUnixSocket(r) {
		return true
	}
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && remote.Addr().Unmap().IsLoopback()
}

// Headers that a proxy adds, in small letters. Each product has its own, so
// that parts of names count, too.
var (
	relayHeaders = []string{"via", "cdn-loop", "max-forwards", "x-remote-addr", "x-remote-host", "x-original-host", "x-original-url", "x-original-uri",
		"x-envoy-external-address", "x-amzn-trace-id", "x-arr-log-id", "cf-ray"}
	relayWords    = []string{"forwarded", "-ip-", "client-addr", "proxy"}
	relaySuffixes = []string{"ip", "ipv4", "ipv6"} // X-Real-IP, X-Azure-SocketIP
)

// isRelayed tells whether a proxy relayed the request.
func isRelayed(header http.Header) bool {
	for name := range header {
		name = strings.ToLower(name)
		if slices.Contains(relayHeaders, name) ||
			slices.ContainsFunc(relayWords, func(word string) bool { return strings.Contains(name, word) }) ||
			slices.ContainsFunc(relaySuffixes, func(suffix string) bool { return strings.HasSuffix(name, suffix) }) {
			return true
		}
	}
	return false
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
