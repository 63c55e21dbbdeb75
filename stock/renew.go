package stock

import (
	"errors"
	"time"
)

// renewEvery is how often the service looks whether its directories are there.
const renewEvery = 5 * time.Second

// renewal makes directories anew that somebody removes while the agent runs.
type renewal struct {
	said string // the last error that was logged
}

// look makes what is missing and locks it again, before another agent takes it.
func (r *renewal) look(s *Service) {
	dirs, err := s.current.agent.owned.Renew()
	logDirs, logErr := s.log.owned.Renew()
	for _, dir := range append(dirs, logDirs...) {
		s.log.logger.Error("somebody has removed a directory of the agent, or its lock: it is made and locked anew", "dir", dir)
	}
	if err = errors.Join(err, logErr); err == nil {
		r.said = ""
		return
	}
	if text := err.Error(); text != r.said {
		s.log.logger.Error("a directory of the agent has been removed and cannot be made and locked anew", "error", err)
		r.said = text
	}
}
