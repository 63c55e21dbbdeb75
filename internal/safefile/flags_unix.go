//go:build unix

package safefile

import "syscall"

const noFollowOrWait = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
