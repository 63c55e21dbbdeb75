package pidfile

import "os"

// lock locks nothing: two agents of one pid file are not noticed here.
func lock(*os.File) error { return nil }

func exists(pid int) bool {
	process, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	process.Release()
	return true
}

func onLinux() bool { return false }
