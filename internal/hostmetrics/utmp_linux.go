package hostmetrics

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"runtime"
	"time"
)

// utmpLayout is the layout of struct utmp (utmp(5)) in wtmp and btmp. Type,
// line, user and host have the same offset on every architecture.
type utmpLayout struct {
	order                             binary.ByteOrder
	size, timeAt, addressAt, unusedAt int
	longTime                          bool
}

const (
	unusedLength = 20  // length of the reserved field at the end
	longestUtmp  = 400 // size of the longest layout
)

// utmpLayouts returns all layouts, this architecture's first. Most have a
// 32-bit time (__WORDSIZE_TIME64_COMPAT32 of the GNU C library), some a 64-bit
// one. A file may come from another machine.
func utmpLayouts() []utmpLayout {
	short := utmpLayout{binary.LittleEndian, 384, 340, 348, 364, false}
	long := utmpLayout{binary.LittleEndian, 400, 344, 360, 376, true}
	layouts := []utmpLayout{short, long}
	for _, l := range layouts {
		l.order = binary.BigEndian
		layouts = append(layouts, l)
	}
	own := 0
	switch runtime.GOARCH {
	case "arm64", "loong64":
		own = 1
	case "s390x", "ppc64", "mips", "mips64":
		own = 2
	}
	layouts[0], layouts[own] = layouts[own], layouts[0]
	return layouts
}

// Values of ut_type.
const (
	utmpLoginProcess = 6
	utmpUserProcess  = 7
)

// login is a record of wtmp or btmp.
type login struct {
	kind               int16
	user, line, remote string
	time               time.Time
}

// parseUtmp returns the record at the beginning of b, and its size, or size 0
// if there is no valid record.
func parseUtmp(layouts []utmpLayout, b []byte) (login, int) {
	for _, layout := range layouts {
		if len(b) >= layout.size && layout.fits(b[:layout.size]) {
			return layout.parse(b[:layout.size]), layout.size
		}
	}
	return login{}, 0
}

// Ranges of valid records.
const (
	utmpRunLevel   = 1 // smallest valid ut_type
	utmpAccounting = 9 // largest valid ut_type
	// earliestLogin is in 2001. In shifted or foreign records the bytes at the
	// place of the time are mostly 0.
	earliestLogin = 1_000_000_000
)

// fits reports whether a record can have this layout.
func (layout utmpLayout) fits(record []byte) bool {
	kind := layout.order.Uint16(record)
	if kind < utmpRunLevel || kind > utmpAccounting {
		return false
	}
	seconds, micros := layout.time(record)
	return seconds >= earliestLogin && seconds <= time.Now().Unix()+24*60*60 && micros < 1_000_000 &&
		isZero(record[layout.unusedAt:layout.unusedAt+unusedLength])
}

// parse reads a record of layout.size bytes.
func (layout utmpLayout) parse(record []byte) login {
	seconds, _ := layout.time(record)
	l := login{
		kind:   int16(layout.order.Uint16(record)),
		line:   zeroEnded(record[8:40]),
		user:   zeroEnded(record[44:76]),
		remote: zeroEnded(record[76:332]),
		time:   time.Unix(seconds, 0),
	}
	if l.remote == "" {
		l.remote = remoteAddress(record[layout.addressAt : layout.addressAt+16])
	}
	return l
}

// time reads a 32-bit time as unsigned, as the GNU C library does.
func (layout utmpLayout) time(record []byte) (seconds int64, micros uint64) {
	at := record[layout.timeAt:]
	if layout.longTime {
		return int64(layout.order.Uint64(at)), layout.order.Uint64(at[8:])
	}
	return int64(layout.order.Uint32(at)), uint64(layout.order.Uint32(at[4:]))
}

// isZero reports whether b contains only zeros.
func isZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

// remoteAddress is empty for a login at the host itself. An IPv4 address is in
// the first four bytes.
func remoteAddress(b []byte) string {
	switch address := netip.AddrFrom16([16]byte(b)); {
	case address.IsUnspecified():
		return ""
	case bytes.Equal(b[4:], make([]byte, 12)):
		return netip.AddrFrom4([4]byte(b[:4])).String()
	default:
		return address.Unmap().String()
	}
}

func zeroEnded(b []byte) string {
	text, _, _ := bytes.Cut(b, []byte{0})
	return string(text)
}
