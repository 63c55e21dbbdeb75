package httpapi

import (
	"cmp"
	"net/http"
	"path"
	"slices"
	"sync"
	"time"
)

const (
	// maxForeign is how many namespaces besides the host's own are posted to at
	// a time. Each costs an account here and a topic in NSQ.
	maxForeign = 1000
	// foreignIdle is the time without posts after which a namespace makes room.
	foreignIdle = time.Hour
)

// namespaceHeader names the namespace of a post, for clients that can set no parameter.
const namespaceHeader = "Agent-Namespace"

// postNamespace returns the namespace that a post names in a parameter or in the header, or that
// of the host if it has only one.
func (a *api) postNamespace(r *http.Request, parameter string) (string, error) {
	query, err := queryOf(r)
	if err != nil {
		return "", err
	}
	own := a.agent.Namespaces()
	namespace := cmp.Or(query.Get(parameter), r.Header.Get(namespaceHeader))
	if namespace == "" && len(own) == 1 {
		return own[0], nil
	}
	if namespace != "" {
		if err := a.agent.CheckNamespace(namespace); err != nil {
			return "", problem(http.StatusBadRequest, "Wrong parameter %s: %v.", parameter, err)
		}
		if slices.Contains(own, namespace) {
			return namespace, nil
		}
		if a.allowsForeign(namespace) {
			return namespace, a.foreign.use(namespace, time.Now())
		}
	}
	switch {
	case !a.agent.InForce(): // the namespaces are not known yet, so none is wrong
		return "", problem(http.StatusServiceUnavailable, "%s Send the metrics again later.", notInForce).retryAfter(5)
	case namespace == "":
		return "", problem(http.StatusBadRequest, "Name the namespace, %s?%s=NAMESPACE: it may be left out only if the host has exactly one, and this one has %d.", r.URL.Path, parameter, len(own))
	}
	return "", problem(http.StatusForbidden, "The namespace %.100q is not one of this host: post to one of those that /me/ns lists,"+
		" or let api.namespaces in the agent's config allow this one.", namespace)
}

// allowsForeign reports whether the config allows posts to a namespace that is
// not the host's.
func (a *api) allowsForeign(namespace string) bool {
	return slices.ContainsFunc(a.config().Namespaces, func(glob string) bool {
		matches, err := path.Match(glob, namespace)
		return matches && err == nil
	})
}

// foreignNamespaces are those that were posted to and are not the host's. The
// zero value is ready for use.
type foreignNamespaces struct {
	mu   sync.Mutex
	used map[string]time.Time // guarded by mu; when last
}

// use notes a post to the namespace, or refuses it if too many others are in use.
func (f *foreignNamespaces) use(namespace string, now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.used == nil {
		f.used = make(map[string]time.Time)
	}
	if _, known := f.used[namespace]; !known && len(f.used) >= maxForeign {
		for other, last := range f.used {
			if now.Sub(last) >= foreignIdle {
				delete(f.used, other)
			}
		}
		if len(f.used) >= maxForeign {
			return problem(http.StatusForbidden, "Posts to %d namespaces that are not this host's have come within an hour, and %.100q is not one of them:"+
				" let api.namespaces allow fewer.", maxForeign, namespace)
		}
	}
	f.used[namespace] = now
	return nil
}
