package hostmetrics

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"runtime"
	"time"
)

// utmpLayout is how struct utmp (utmp(5)) lies in wtmp and btmp. Type, line,
// user and host are at the same place on every architecture.
type utmpLayout struct {
	size, timeAt, addressAt int
	longTime                bool
}

// systemUtmp returns the layout of this architecture: most keep the 32-bit
// time of old (__WORDSIZE_TIME64_COMPAT32 of the GNU C library), some do not.
func systemUtmp() utmpLayout {
	switch runtime.GOARCH {
	case "arm64", "loong64":
		return utmpLayout{size: 400, timeAt: 344, addressAt: 360, longTime: true}
	}
	return utmpLayout{size: 384, timeAt: 340, addressAt: 348}
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

// parse reads a record of layout.size bytes.
func (layout utmpLayout) parse(record []byte) login {
	l := login{
		kind:   int16(binary.NativeEndian.Uint16(record)),
		line:   zeroEnded(record[8:40]),
		user:   zeroEnded(record[44:76]),
		remote: zeroEnded(record[76:332]),
		time:   layout.time(record),
	}
	if l.remote == "" {
		l.remote = remoteAddress(record[layout.addressAt : layout.addressAt+16])
	}
	return l
}

// time is unsigned where it has 32 bits, as the GNU C library reads it, too.
func (layout utmpLayout) time(record []byte) time.Time {
	if layout.longTime {
		return time.Unix(int64(binary.NativeEndian.Uint64(record[layout.timeAt:])), 0)
	}
	return time.Unix(int64(binary.NativeEndian.Uint32(record[layout.timeAt:])), 0)
}

// remoteAddress is empty for a login at the host itself. An IPv4 address uses
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
