package spool_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/spool"
)

// residentMemory of this process in KiB; see proc_pid_status(5).
func residentMemory() (kib int) {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ = strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(value), " kB"))
		}
	}
	return kib
}

// measureMemory prints the least and the most resident memory, in KiB, while
// a backlog of SPOOL_TEST_MIB builds up and drains.
func measureMemory(dir string) {
	mib, _ := strconv.Atoi(os.Getenv("SPOOL_TEST_MIB"))
	inner := &gatedOutput{Output: discard{}}
	inner.shut.Store(true)
	s, err := start(spool.Config{Dir: dir}, inner)
	if err != nil {
		fmt.Println(err)
		return
	}
	fill := func(size int64) {
		var writers sync.WaitGroup
		for range 64 {
			writers.Go(func() {
				b := batch("a", 1, 20)
				for s.spool.Inspect().Bytes < size {
					if s.Write(context.Background(), b) != nil {
						return
					}
				}
			})
		}
		writers.Wait()
	}
	// What the runtime and the writers need is there once some is written.
	fill(16 << 20)
	least, most := residentMemory(), 0
	stop := make(chan struct{})
	var sampler sync.WaitGroup
	sampler.Go(func() {
		for {
			now := residentMemory()
			least, most = min(least, now), max(most, now)
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	started := time.Now()
	fill(int64(mib) << 20)
	filled := time.Since(started)
	points := s.waiting()
	inner.shut.Store(false)
	started = time.Now()
	for s.waiting() > 0 {
		time.Sleep(5 * time.Millisecond)
	}
	drained := time.Since(started)
	close(stop)
	sampler.Wait()
	fmt.Println(least, most, points, filled.Milliseconds(), drained.Milliseconds())
	_ = s.Close(context.Background())
}

// TestMemoryStaysFlat measures in a process of its own. SPOOL_TEST_MIB sets
// the size of the backlog.
func TestMemoryStaysFlat(t *testing.T) {
	mib := os.Getenv("SPOOL_TEST_MIB")
	if mib == "" {
		mib = "96"
	}
	if testing.Short() {
		t.Skip("takes seconds")
	}
	out, err := child("memory", t.TempDir(), "SPOOL_TEST_MIB="+mib).Output()
	require.NoError(t, err)
	var least, most, points, filled, drained int
	_, err = fmt.Sscan(string(out), &least, &most, &points, &filled, &drained)
	require.NoError(t, err, string(out))
	t.Logf("backlog %s MiB, %d points: resident %.1f to %.1f MiB; filled in %d ms, drained in %d ms",
		mib, points, float64(least)/1024, float64(most)/1024, filled, drained)
	require.LessOrEqual(t, most-least, raceFactor*20<<10, "KiB, that is ±10 MiB")
}
