package safedir

import "io/fs"

// device is the same for all: what is mounted in a directory looks like a link
// here, and links are not followed.
func device(fs.FileInfo) uint64 { return 0 }
