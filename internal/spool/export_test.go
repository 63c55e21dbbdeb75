package spool

// Damages tells tests about the newest damaged files, oldest first.
func (s *Spool) Damages() []Damage {
	s.using <- struct{}{}
	defer func() { <-s.using }()
	return append([]Damage(nil), s.damages...)
}
