package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
)

// checkSite refuses requests that a browser makes on behalf of another site.
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
	// Browsers without Sec-Fetch-Site name the asking site in these two.
	for _, header := range []string{"Origin", "Referer"} {
		for _, value := range r.Header.Values(header) {
			if u, err := url.Parse(value); err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
				return problem(http.StatusForbidden, "A browser made this request for another site (%s: %.100q), which this API refuses.", header, value)
			}
		}
	}
	return nil
}

// browserHeader returns a header that shows that a browser made the request, or "". A page
// cannot remove the headers that begin with Sec-.
func browserHeader(header http.Header) (first string) {
	for name := range header {
		says := strings.HasPrefix(name, "Sec-") || name == "Origin" || name == "Referer" || name == "Upgrade-Insecure-Requests"
		if says && (first == "" || name < first) {
			first = name
		}
	}
	return first
}

// isOwnHost reports whether host, from the Host header, can only be this host. A page of
// evil.test can let that name resolve to 127.0.0.1 or to an address of the intranet (DNS
// rebinding). A browser then takes the agent for the page's own server, but still sends
// the name. IP addresses are safe, because they are not resolved. The host's own name is
// safe, because the page does not own it.
func (a *api) isOwnHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
		if strings.HasPrefix(host, "[") { // which SplitHostPort takes off
			name = "[" + h + "]"
		}
	}
	if isAddress(name) {
		return true
	}
	name = hostKey(name)
	if name == "" || name == "localhost" { // empty: HTTP/1.0, which no browser speaks
		return true
	}
	own := hostKey(a.agent.Hostname())
	system, _ := os.Hostname() // if it is not known, it matches nothing
	return name == own || name == hostKey(system) || name == shortName(own) || slices.ContainsFunc(a.config().Hosts, func(host string) bool { return name == hostKey(host) })
}

// isAddress reports whether name is an IP address in the form of a Host header: IPv6 in
// brackets (RFC 3986, section 3.2.2).
func isAddress(name string) bool {
	inner, opened := strings.CutPrefix(name, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	ip, err := netip.ParseAddr(inner)
	return err == nil && opened == closed && opened == ip.Is6()
}

// hostKey returns a host name in the form in which names are compared.
func hostKey(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// shortName returns the first label of a host name.
func shortName(name string) string {
	short, _, _ := strings.Cut(name, ".")
	return short
}
