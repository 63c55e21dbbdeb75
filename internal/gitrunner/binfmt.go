package gitrunner

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// handles reports whether an entry of binfmt_misc matches files that begin with
// head. See Documentation/admin-guide/binfmt-misc.rst of the kernel.
func handles(entry string, head []byte) bool {
	var offset int
	var magic, mask []byte
	for line := range strings.Lines(entry) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch key {
		case "disabled":
			return false
		case "offset":
			offset, _ = strconv.Atoi(value)
		case "magic":
			magic, _ = hex.DecodeString(value)
		case "mask":
			mask, _ = hex.DecodeString(value)
		}
	}
	if len(magic) == 0 || offset < 0 || offset > len(head) || len(head)-offset < len(magic) {
		return false
	}
	for i, want := range magic {
		got := head[offset+i]
		if i < len(mask) {
			got, want = got&mask[i], want&mask[i]
		}
		if got != want {
			return false
		}
	}
	return true
}
