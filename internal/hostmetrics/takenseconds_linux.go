package hostmetrics

// mostApart bounds by how many seconds the time of a login is moved.
const mostApart = 300

// takenSeconds holds the times of the points of each series. Two points of a
// series with one time would be stored as one, so a second that is taken is
// given to nobody else.
type takenSeconds map[string]freeSeconds

// apart returns a second in which the series has no point yet. Of logins in one
// second all but the first get an earlier one.
func (t takenSeconds) apart(series string, second int64) int64 {
	if t[series] == nil {
		t[series] = make(freeSeconds)
	}
	if free := t[series].take(second); second-free <= mostApart {
		return free
	}
	return second
}

// forgetBefore keeps the memory of a flood of failed logins short.
func (t takenSeconds) forgetBefore(second int64) {
	for series, taken := range t {
		for s := range taken {
			if s < second {
				delete(taken, s)
			}
		}
		if len(taken) == 0 {
			delete(t, series)
		}
	}
}

// freeSeconds has for each taken second an earlier one from which on to look
// for a free one.
type freeSeconds map[int64]int64

// take takes the latest free second that is not after s.
func (f freeSeconds) take(s int64) int64 {
	free := s
	for next, taken := f[free]; taken; next, taken = f[free] {
		free = next
	}
	for at := s; at > free; {
		next := f[at]
		f[at] = free - 1
		at = next
	}
	f[free] = free - 1
	return free
}
