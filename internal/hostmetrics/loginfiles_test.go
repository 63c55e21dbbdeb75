//go:build linux

package hostmetrics_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func appendBytes(t *testing.T, path string, content []byte) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	require.NoError(t, err)
	_, err = file.Write(content)
	require.NoError(t, err)
	require.NoError(t, file.Close())
}

func TestNoLoginIsLostHoweverItsFileIsRotated(t *testing.T) {
	move := func(t *testing.T, from, to string) { require.NoError(t, os.Rename(from, to)) }
	copyAndTruncate := func(t *testing.T, from, to string) {
		content, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, content, 0o644))
		require.NoError(t, os.Truncate(from, 0))
	}
	for name, c := range map[string]struct {
		suffixes []string // of the rotations between two collections
		rotate   func(t *testing.T, from, to string)
	}{
		"Debian":                 {[]string{".1"}, move},
		"RHEL, SUSE (dateext)":   {[]string{"-20261124"}, move},
		"twice in an interval":   {[]string{"-20261123", "-20261124"}, move},
		"with an hour":           {[]string{"-2026112413"}, move},
		"copytruncate":           {[]string{".1"}, copyAndTruncate},
		"copytruncate, dateext":  {[]string{"-20261124"}, copyAndTruncate},
		"copytruncate two times": {[]string{"-20261123", "-20261124"}, copyAndTruncate},
	} {
		t.Run(name, func(t *testing.T) {
			h := newLoginHost(t)
			now := time.Now()
			appendRecords(t, h.log("wtmp"), ofUser("a", now))
			require.Equal(t, []string{loginLine("a", now)}, h.collect())
			want := []string{loginLine("b", now)}
			appendRecords(t, h.log("wtmp"), ofUser("b", now))
			for i, suffix := range c.suffixes {
				c.rotate(t, h.log("wtmp"), h.log("wtmp"+suffix))
				rotated := now.Add(time.Duration(i-10) * time.Second)
				require.NoError(t, os.Chtimes(h.log("wtmp"+suffix), rotated, rotated))
				// The new file becomes longer than the old one was.
				for n := range 4 {
					user := fmt.Sprint("c", i, n)
					appendRecords(t, h.log("wtmp"), ofUser(user, now))
					want = append(want, loginLine(user, now))
				}
			}
			h.restart()
			require.Equal(t, want, h.collect())
			require.Empty(t, h.collect())
		})
	}
}

func TestARotatedFileThatIsNoneOfLoginsIsPassedOver(t *testing.T) {
	h := newLoginHost(t)
	now := time.Now()
	appendRecords(t, h.log("wtmp"), ofUser("a", now))
	h.collect()
	require.NoError(t, os.Remove(h.log("wtmp")))
	require.NoError(t, os.Mkdir(h.log("wtmp.1"), 0o755))
	write(t, h.log("wtmp.2.gz"), "compressed")
	write(t, h.log("wtmp-20261124.xz"), "compressed")
	appendRecords(t, h.log("wtmp"), ofUser("b", now))
	require.Equal(t, []string{loginLine("b", now)}, h.collect())
}

func TestLoginsOfOneSecondAreCountable(t *testing.T) {
	h := newLoginHost(t)
	now := time.Now()
	failed := record{kind: loginProcess, user: "root", line: "ssh:notty", host: "192.0.2.1", time: now}
	appendRecords(t, h.log("btmp"), slices.Repeat([]record{failed}, 10)...)
	got := h.collect()
	appendRecords(t, h.log("btmp"), failed, failed) // in the same second, but collected later
	got = append(got, h.collect()...)
	slices.Sort(got)
	require.Len(t, slices.Compact(got), 12, "a database keeps one point for each series and second")
	for i, l := range got {
		require.True(t, strings.HasSuffix(l, fmt.Sprintf(`user="root"} 0 at %d`, now.Unix()-11+int64(i))), l)
	}
}

func TestAFloodOfFailedLoginsIsNotMovedFar(t *testing.T) {
	h := newLoginHost(t)
	now := time.Now()
	appendRecords(t, h.log("btmp"), slices.Repeat([]record{{kind: loginProcess, user: "x", host: "h", time: now}}, 1000)...)
	for _, l := range h.collect() {
		var at int64
		_, err := fmt.Sscan(l[strings.LastIndex(l, " ")+1:], &at)
		require.NoError(t, err)
		require.InDelta(t, now.Unix(), at, 300)
	}
}

func TestAFailedLoginShowsNoNameButAUsers(t *testing.T) {
	h := newLoginHost(t)
	now := time.Now()
	for _, user := range []string{"admin", "hunter2", "Admin", "admin:x", ""} {
		appendRecords(t, h.log("btmp"), record{kind: loginProcess, user: user, host: user, time: now})
	}
	var users []string
	for _, l := range h.collect() {
		_, user, _ := strings.Cut(l, `user="`)
		user, _, _ = strings.Cut(user, `"`)
		users = append(users, user)
	}
	require.Equal(t, []string{"admin", "invalid", "invalid", "invalid", "invalid"}, users)

	require.NoError(t, os.Remove(h.root+"/etc/passwd"))
	appendRecords(t, h.log("btmp"), record{kind: loginProcess, user: "admin", time: now})
	require.Contains(t, h.collect()[0], `user="invalid"`)
}

func TestRecordsOfEveryArchitectureAreRead(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		order    binary.ByteOrder
		longTime bool
	}{
		"amd64": {binary.LittleEndian, false}, "arm64": {binary.LittleEndian, true},
		"s390x": {binary.BigEndian, false}, "big-endian, 64-bit time": {binary.BigEndian, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newLoginHost(t)
			// More than is read at a time: records lie across the border.
			var content []byte
			for i := range 300 {
				content = append(content, ofUser(fmt.Sprint("u", i), now).as(c.order, c.longTime)...)
			}
			appendBytesTo(t, h, content[:390]) // is being written
			got := h.collect()
			appendBytesTo(t, h, content[390:])
			got = append(got, h.collect()...)
			require.Len(t, got, 300)
			require.Equal(t, loginLine("u0", now), got[0])
			require.Equal(t, loginLine("u299", now), got[299])
			require.Empty(t, h.collect())
		})
	}
}

func appendBytesTo(t *testing.T, h *loginHost, content []byte) {
	require.NoError(t, os.MkdirAll(h.root+"/var/log", 0o755))
	appendBytes(t, h.log("wtmp"), content)
}

func TestATornRecordCostsOnlyItself(t *testing.T) {
	now := time.Now()
	for _, torn := range []int{1, 4, 100, 339, 343, 380} {
		t.Run(fmt.Sprint(torn, " bytes"), func(t *testing.T) {
			h := newLoginHost(t)
			appendBytesTo(t, h, ofUser("a", now).bytes())
			appendBytesTo(t, h, ofUser("torn", now).bytes()[:torn])
			appendBytesTo(t, h, append(ofUser("b", now).bytes(), ofUser("c", now).bytes()...))
			require.Subset(t, h.collect(), []string{loginLine("a", now), loginLine("b", now), loginLine("c", now)})
			appendRecords(t, h.log("wtmp"), ofUser("d", now), ofUser("e", now))
			require.Contains(t, h.collect(), loginLine("d", now))
		})
	}
}
