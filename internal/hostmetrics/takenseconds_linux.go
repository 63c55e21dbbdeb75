package hostmetrics

// mostApart is the most seconds by which the time of a login is moved.
const mostApart = 300

// takenSeconds has the times of the points of each series. Two points of a
// series with the same time would be stored as one, so each second is used
// once.
type takenSeconds map[string]freeSeconds

// apart returns a second in which the series has no point yet. If several
// logins have the same second, all but the first get an earlier one.
func (t takenSeconds) apart(series string, second int64) int64 {
	if t[series] == nil {
		t[series] = make(freeSeconds)
	}
	if free := t[series].take(second); second-free <= mostApart {
		return free
	}
	return second
}

// forgetBefore removes old times, so that a flood of failed logins does not
// fill the memory.
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

// freeSeconds maps each used second to an earlier one at which the search for a
// free second continues.
type freeSeconds map[int64]int64

// take uses and returns the latest free second that is not after s.
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
