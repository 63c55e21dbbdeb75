package pluginoutput

import (
	"bytes"
	"errors"
	"io"
)

// maxLine is the length of the longest line that a daemon may print, in bytes.
const maxLine = 64 << 10

// ErrLongLine means that a daemon printed a line of more than 64 KiB.
var ErrLongLine = errors.New("it printed a line of more than 64 KiB")

// Lines passes the output of a daemon to take, as many whole lines at a time as there are,
// until Read or take fails. The end of the last line may be missing. take must not keep the
// lines.
func Lines(stdout io.Reader, take func(lines []byte) error) error {
	buf := make([]byte, 4<<10)
	n := 0 // bytes in buf
	for busy := false; ; {
		if n == len(buf) || busy {
			if n > maxLine {
				return ErrLongLine
			}
			buf = append(buf, make([]byte, len(buf))...)
		}
		read, err := stdout.Read(buf[n:])
		n += read
		// A larger buffer needs fewer calls for a daemon that prints much at a time.
		busy = n == len(buf) && len(buf) < maxLine
		whole := bytes.LastIndexByte(buf[:n], '\n') + 1
		if err != nil {
			whole = n
		}
		if whole > 0 {
			if err := take(buf[:whole]); err != nil {
				return err
			}
			n = copy(buf, buf[whole:n])
		}
		if err != nil {
			return err
		}
	}
}
