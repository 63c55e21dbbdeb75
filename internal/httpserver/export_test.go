package httpserver

// Idle returns how many connections wait for a request.
func (s *Server) Idle() (idle int) {
	for _, listener := range s.listeners {
		l, ok := listener.(*limit)
		if !ok {
			continue
		}
		l.mu.Lock()
		for c := range l.open {
			if c.idle {
				idle++
			}
		}
		l.mu.Unlock()
	}
	return idle
}
