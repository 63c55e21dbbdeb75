package hostmetrics

import "golang.org/x/sys/unix"

// unsynced is the error in µs that the kernel reports of a clock that nobody corrects: the
// largest of NTP. The flag STA_UNSYNC is no proof, because programs also set it to keep the
// kernel from writing the hardware clock.
const unsynced = 16_000_000

// addKernelClock adds what the program that corrects the clock (chronyd, ntpd,
// systemd-timesyncd) has told the kernel. See adjtimex(2). The call changes nothing. A
// sandbox may forbid it.
func addKernelClock(p *points) {
	var state unix.Timex
	if _, err := unix.Adjtimex(&state); err == nil {
		p.addTimex(state)
	}
}

func (p *points) addTimex(state unix.Timex) {
	if state.Maxerror >= unsynced {
		p.add("time.kernel.synced", 0, nil)
		return
	}
	p.add("time.kernel.synced", 1, nil)
	p.add("time.kernel.error.max", float64(state.Maxerror)/1e6, nil)
	p.add("time.kernel.error.estimated", float64(state.Esterror)/1e6, nil)
	unit := 1e6
	if state.Status&unix.STA_NANO != 0 {
		unit = 1e9
	}
	p.add("time.kernel.offset", float64(state.Offset)/unit, nil)
}
