package gitrunner

import "fmt"

// explain adds what to do, if git's message does not say it.
func (c *client) explain(failed *gitError) error {
	about := func(texts ...string) bool {
		for _, text := range texts {
			if says(failed, text) {
				return true
			}
		}
		return false
	}
	switch {
	case about("File too large"):
		return c.tooLarge("one of its files, or the whole transfer,")
	case about("No space left on device", "Disk quota exceeded"):
		return fmt.Errorf("%w: no space is left where git fetches to, %s; free some, and the next attempt fetches from the beginning", failed, c.gitDir)
	case about("not allowed") && about("transport '"):
		return fmt.Errorf("%w: git's configuration on this host (url.….insteadOf) rewrites the address to a transport that %s does not have; write the rewritten address there", failed, c.called)
	case about("dubious ownership"):
		return fmt.Errorf("%w: the repository does not belong to the user that git runs as", failed)
	case about("certificate verif", "SSL certificate", "certificate problem"):
		return fmt.Errorf("%w: the certificate of the git host is not valid here; renew it if it has expired, correct this host's clock if that is wrong, or let git trust its issuer (http.sslCAInfo)", failed)
	case about("Authentication failed", "could not read Username", "could not read Password", "Permission denied (publickey", "error: 403"):
		return fmt.Errorf("%w: the git host does not accept the login; give %s, or the user that git runs as, one that may read the repository", failed, c.called)
	case about("does not appear to be a git repository", "repository not exported", "repository not found", "/' not found"):
		return fmt.Errorf("%w: the git host has no such repository, or does not show it to this host; correct %s, or allow the host to read it", failed, c.called)
	}
	return failed
}
