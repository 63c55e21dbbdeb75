package spool_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/spool"
)

// childMain makes a child process of the test binary do what its environment
// says.
func childMain() bool {
	dir := os.Getenv("SPOOL_TEST_DIR")
	switch os.Getenv("SPOOL_TEST_CHILD") {
	case "writer":
		first, _ := strconv.Atoi(os.Getenv("SPOOL_TEST_FIRST"))
		writeUntilKilled(dir, first)
	case "memory":
		measureMemory(dir)
	default:
		return false
	}
	return true
}

func child(mode, dir string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), "SPOOL_TEST_CHILD="+mode, "SPOOL_TEST_DIR="+dir), env...)
	cmd.Stderr = os.Stderr
	return cmd
}

// writeUntilKilled has many writers write to a spool whose output comes and
// goes. It prints a line for each acknowledged and each delivered point.
func writeUntilKilled(dir string, first int) {
	inner := &fakeOutput{}
	started := time.Now()
	inner.set(func(_ context.Context, b agent.Batch) error {
		if time.Since(started).Milliseconds()/40%2 == 0 {
			return errAway
		}
		var lines bytes.Buffer
		for _, m := range b.Metrics {
			fmt.Fprintln(&lines, "delivered", m.Timestamp)
		}
		_, err := os.Stdout.Write(lines.Bytes())
		return err
	})
	s, err := start(spool.Config{Dir: dir}, inner)
	if err != nil {
		fmt.Println("failed", err)
		return
	}
	var next atomic.Int64
	next.Store(int64(first))
	for range 16 {
		go func() {
			for {
				n := next.Add(1)
				if err := s.Write(context.Background(), batch("a", int(n), 1)); err == nil {
					fmt.Println("acknowledged", n)
				}
			}
		}()
	}
	select {}
}

func TestSpoolKeepsAcknowledgedBatchesAfterKill(t *testing.T) {
	kills := 30
	if testing.Short() {
		kills = 5
	}
	dir := t.TempDir()
	acknowledged, delivered := map[int64]bool{}, map[int64]bool{}
	for i := range kills {
		killWriter(t, dir, i*1_000_000, acknowledged, delivered)
	}
	inner := &fakeOutput{}
	s := open(t, spool.Config{Dir: dir}, inner)
	require.Empty(t, s.spool.Damages())
	eventually(t, func() bool { return s.waiting() == 0 }, "drained")
	requireBalance(t, s.Accounts())
	for n := range inner.seen["a"] {
		delivered[n] = true
	}
	lost := 0
	for n := range acknowledged {
		if !delivered[n] {
			lost++
		}
	}
	require.Zero(t, lost, "of %d acknowledged", len(acknowledged))
	t.Logf("%d kills, %d acknowledged, %d found on disk at the end", kills, len(acknowledged), inner.points("a"))
}

func killWriter(t *testing.T, dir string, first int, acknowledged, delivered map[int64]bool) {
	cmd := child("writer", dir, "SPOOL_TEST_FIRST="+strconv.Itoa(first))
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var killer *time.Timer
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if killer == nil {
			killer = time.AfterFunc(rand.N(150*time.Millisecond), func() { _ = cmd.Process.Kill() })
		}
		word, number, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.ParseInt(number, 10, 64)
		if word == "failed" || err != nil {
			// The last line may have been cut off by the kill.
			require.NotEqual(t, "failed", word, number)
			continue
		}
		switch word {
		case "acknowledged":
			acknowledged[n] = true
		case "delivered":
			delivered[n] = true
		}
	}
	_ = cmd.Wait()
}
