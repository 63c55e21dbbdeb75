package sandbox_test

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary be a hostile plugin that a shell script cannot be.
func TestMain(m *testing.M) {
	switch os.Getenv("SANDBOX_TEST_ROLE") {
	case "headless":
		headless()
	case "chain":
		chain()
	case "tracer":
		trace()
	case "caller":
		makeCalls()
	case "stopper":
		stop()
	case "undumpable":
		unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
		outlive()
	}
	os.Exit(m.Run())
}

// trace says why it may not trace its victim.
func trace() {
	runtime.LockOSThread()
	pid, _ := strconv.Atoi(os.Getenv("VICTIM"))
	fmt.Println(syscall.PtraceAttach(pid))
	os.Exit(0)
}

func stop() {
	fmt.Println("ready")
	for parent := os.Getppid(); os.Getppid() == parent; {
		syscall.Kill(-1, syscall.SIGSTOP)
		unix.Nanosleep(&unix.Timespec{Nsec: 10_000}, nil) // others need the list of processes, too
	}
}

// headless goes on after its first thread has ended.
func headless() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP)
	announce(os.Getpid())
	for range runtime.NumGoroutine() + 8 {
		go outlive()
	}
	endFirstThread()
	outlive()
}

// endFirstThread returns on another thread than the first one.
func endFirstThread() {
	moved := make(chan bool)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			close(moved)
			syscall.RawSyscall(syscall.SYS_EXIT, 0, 0, 0)
		}
		endFirstThread()
	}()
	<-moved
}

// outlive sleeps in the kernel, where no runtime of Go is needed.
func outlive() {
	for {
		unix.Nanosleep(&unix.Timespec{Sec: 1000}, nil)
	}
}

// chain starts a process that starts the next and exits, for ever, each in a
// session of its own.
func chain() {
	announce(os.Getpid())
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
		if errno == 0 && pid != 0 {
			syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
		}
		syscall.RawSyscall(syscall.SYS_SETSID, 0, 0, 0)
	}
	syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
}

func announce(pid int) {
	file, err := os.OpenFile(os.Getenv("PIDS"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err == nil {
		_, err = file.WriteString(strconv.Itoa(pid) + "\n")
	}
	if err != nil {
		os.Exit(1)
	}
}
