package pidfile

import "os"

// dontFollowOrWait are flags for opening a file. There are none here.
const dontFollowOrWait = 0

func exists(pid int) bool {
	process, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	process.Release()
	return true
}

func onLinux() bool { return false }
