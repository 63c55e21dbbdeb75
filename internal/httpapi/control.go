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
	wrongToken  bool  // there is an Authorization header without the token
	local       bool  // on this host, and not through a proxy
	overSocket  bool  // over a unix socket
	uid         int   // of the process at the other end; -1: not looked for, or unknown
	hidden      error // why the user was looked for and is unknown
	plugin      bool  // it is one of those that plugins run as
}

// callerOf returns who makes a request. It looks up the user of a process that calls over
// TCP only for requests that control the agent, and only if plugins have users of their
// own.
func (a *api) callerOf(r *http.Request, control bool) caller {
	c := caller{local: isLocal(r), overSocket: fromUnixSocket(r), uid: -1, hasToken: a.hasToken(r)}
	c.wrongToken = !c.hasToken && r.Header.Get("Authorization") != ""
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 { // the server has verified it
		c.certificate = "certificate " + r.TLS.VerifiedChains[0][0].Subject.String()
	}
	search := control && len(a.config().PluginUsers)+len(a.config().PluginUserRanges) > 0
	if !search && !c.overSocket {
		return c
	}
	uid, err := peerOf(r)
	switch {
	case err != nil && search:
		c.hidden = err
	case err != nil:
	default:
		c.plugin = a.isPluginUser(uid)
		if c.local || c.plugin { // else it is the proxy's
			c.uid = uid
		}
	}
	return c
}

// isPluginUser reports whether plugins run as the user.
func (a *api) isPluginUser(uid int) bool {
	return slices.Contains(a.config().PluginUsers, uid) ||
		slices.ContainsFunc(a.config().PluginUserRanges, func(r UIDRange) bool { return r.First <= uid && uid <= r.Last })
}

// String returns the strongest proof of who the caller is.
func (c caller) String() string {
	who := "unknown"
	switch {
	case c.plugin:
		who = "uid " + strconv.Itoa(c.uid)
	case c.certificate != "":
		who = c.certificate
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
func (a *api) checkControl(c caller) error {
	switch {
	case c.plugin:
		return problem(http.StatusForbidden, "The caller runs as user %d, as plugins do: plugins never control the agent.", c.uid)
	case c.hasToken || c.certificate != "":
		return nil
	case !a.trusts(c):
		return problem(http.StatusForbidden, "%s. %s.", a.whoMayControl(), a.missing(c))
	case c.hidden != nil:
		return problem(http.StatusForbidden, "The caller may be a plugin, because its user is unknown: %v."+
			" Call over the unix socket of api.socket, or with the token of api.tokenfile.", c.hidden)
	}
	return nil
}

// trusts reports whether the caller may control the agent because it is on this host,
// unless it is a plugin.
func (a *api) trusts(c caller) bool {
	switch a.config().LocalControl {
	case ControlToken:
		return false
	case ControlSocket:
		return c.local && c.overSocket
	}
	return c.local
}

// whoMayControl says who may control the agent, in a sentence without its full stop.
func (a *api) whoMayControl() string {
	const proven = "callers who send \"Authorization: Bearer TOKEN\" or a client certificate of api.clientca"
	switch a.config().LocalControl {
	case ControlToken:
		return "Only " + proven + " may do this (api.localcontrol is token)"
	case ControlSocket:
		return "Only callers over the unix socket may do this, directly and not through a proxy, and " + proven + " (api.localcontrol is socket)"
	}
	return "Only callers on the agent's own host may do this, directly and not through a proxy, and " + proven
}

// missing says what the caller lacks, without a full stop.
func (a *api) missing(c caller) string {
	switch {
	case a.token() == "":
		return "No token is set: set api.tokenfile in the agent's config"
	case c.wrongToken:
		return "The request's Authorization header does not have the token of api.tokenfile"
	}
	return "The request has no Authorization header with the token of api.tokenfile"
}

// isLocal reports whether the caller is on this host. A request that a proxy on this host
// relays may come from another one.
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

// isRelayed reports whether a proxy relayed the request.
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

// fromUnixSocket reports whether the server that received the request listens on a unix
// socket. The caller's address does not show that: it may be anything.
func fromUnixSocket(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && local.Network() == "unix"
}

func (a *api) token() string {
	if a.config().Token == nil {
		return ""
	}
	return a.config().Token()
}

// hasToken compares in constant time, which depends neither on the token nor on its length.
func (a *api) hasToken(r *http.Request) bool {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token := a.token()
	if token == "" || !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	want, got := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(strings.TrimSpace(given)))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}
