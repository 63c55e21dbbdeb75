//go:build linux

package hostmetrics_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lodastack/agent/internal/hostmetrics"
	"github.com/stretchr/testify/require"
)

const (
	loginProcess = 6
	userProcess  = 7
	deadProcess  = 8
)

// record is a struct utmp as this architecture has it in files.
type record struct {
	kind             int16
	user, line, host string
	address          [16]byte
	time             time.Time
}

func (r record) bytes() []byte { return r.as(binary.NativeEndian, runtime.GOARCH == "arm64") }

// as returns the record as an architecture writes it, with a time of 32 or of
// 64 bits.
func (r record) as(order binary.ByteOrder, longTime bool) []byte {
	b := make([]byte, 384)
	timeAt, addressAt := 340, 348
	if longTime {
		b = make([]byte, 400)
		timeAt, addressAt = 344, 360
		order.PutUint64(b[timeAt:], uint64(r.time.Unix()))
	} else {
		order.PutUint32(b[timeAt:], uint32(r.time.Unix()))
	}
	order.PutUint16(b, uint16(r.kind))
	copy(b[8:40], r.line)
	copy(b[44:76], r.user)
	copy(b[76:332], r.host)
	copy(b[addressAt:], r.address[:])
	return b
}

func appendRecords(t *testing.T, path string, records ...record) {
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	require.NoError(t, err)
	for _, r := range records {
		_, err = file.Write(r.bytes())
		require.NoError(t, err)
	}
	require.NoError(t, file.Close())
}

// loginHost is a host whose wtmp and btmp a test writes.
type loginHost struct {
	t           *testing.T
	root, state string
	kinds       []hostmetrics.Kind
}

func newLoginHost(t *testing.T) *loginHost {
	h := &loginHost{t: t, root: t.TempDir(), state: t.TempDir()}
	write(t, filepath.Join(h.root, "etc/passwd"), "root:x:0:0::/root:/bin/sh\nadmin:x:1000:1000::/home/admin:/bin/sh\n")
	h.restart()
	return h
}

func (h *loginHost) restart() {
	h.kinds = hostmetrics.Kinds(hostmetrics.Config{Root: h.root, StateDir: h.state})
}

func (h *loginHost) log(name string) string { return filepath.Join(h.root, "var/log", name) }

func (h *loginHost) collect() []string {
	metrics, err := collector(h.t, h.kinds, "KERNEL").Collect(h.t.Context())
	require.NoError(h.t, err)
	return lines(metrics)
}

func loginLine(user string, at time.Time) string {
	return fmt.Sprintf(`kernel.user.login{device="pts/0",remote="10.0.0.1",success="true",user=%q} 1 at %d`, user, at.Unix())
}

func ofUser(user string, at time.Time) record {
	return record{kind: userProcess, user: user, line: "pts/0", host: "10.0.0.1", time: at}
}

func TestLoginsAreReadFromWtmpAndBtmp(t *testing.T) {
	h := newLoginHost(t)
	at := time.Now().Add(-time.Minute)
	appendRecords(t, h.log("wtmp"),
		record{kind: 2, user: "reboot", line: "~", host: "6.8.0", time: at},
		record{kind: loginProcess, user: "LOGIN", line: "tty1", time: at},
		record{kind: userProcess, user: "root", line: "tty1", time: at},
		record{kind: userProcess, user: "alice", line: "pts/1", address: [16]byte{10, 0, 0, 7}, time: at},
		record{kind: userProcess, user: "bob", line: "pts/2", address: [16]byte{0x20, 1, 0xd, 0xb8, 15: 1}, time: at},
		record{kind: deadProcess, line: "pts/1", time: at},
	)
	appendRecords(t, h.log("btmp"), record{kind: loginProcess, user: "admin", line: "ssh:notty", host: "192.0.2.1", time: at})
	unix := at.Unix()
	require.Equal(t, []string{
		fmt.Sprintf(`kernel.user.login{device="tty1",remote="",success="true",user="root"} 1 at %d`, unix),
		fmt.Sprintf(`kernel.user.login{device="pts/1",remote="10.0.0.7",success="true",user="alice"} 1 at %d`, unix),
		fmt.Sprintf(`kernel.user.login{device="pts/2",remote="2001:db8::1",success="true",user="bob"} 1 at %d`, unix),
		fmt.Sprintf(`kernel.user.login{device="ssh:notty",remote="192.0.2.1",success="false",user="admin"} 0 at %d`, unix),
	}, h.collect())
}

func TestEachLoginIsReportedOnceAcrossRestarts(t *testing.T) {
	h := newLoginHost(t)
	now := time.Now()
	appendRecords(t, h.log("wtmp"), ofUser("old", now.Add(-2*time.Hour)), ofUser("a", now.Add(-time.Minute)))
	require.Equal(t, []string{loginLine("a", now.Add(-time.Minute))}, h.collect(), "the first look goes back an hour")
	require.Empty(t, h.collect())
	h.restart()
	require.Empty(t, h.collect())
	appendRecords(t, h.log("wtmp"), ofUser("b", now))
	h.restart()
	require.Equal(t, []string{loginLine("b", now)}, h.collect())
}

func TestLoginsAroundARotationAreReportedOnce(t *testing.T) {
	h := newLoginHost(t)
	now := time.Now()
	appendRecords(t, h.log("wtmp"), ofUser("a", now))
	h.collect()
	appendRecords(t, h.log("wtmp"), ofUser("b", now))
	require.NoError(t, os.Rename(h.log("wtmp"), h.log("wtmp.1")))
	appendRecords(t, h.log("wtmp"), ofUser("c", now))
	h.restart()
	require.Equal(t, []string{loginLine("b", now), loginLine("c", now)}, h.collect())
	require.Empty(t, h.collect())

	require.NoError(t, os.Truncate(h.log("wtmp"), 0))
	require.Empty(t, h.collect())
	appendRecords(t, h.log("wtmp"), ofUser("d", now))
	require.Equal(t, []string{loginLine("d", now)}, h.collect())
}

func TestARecordThatIsBeingWrittenWaitsForItsEnd(t *testing.T) {
	h := newLoginHost(t)
	now := time.Now()
	whole := ofUser("a", now).bytes()
	write(t, h.log("wtmp"), string(whole[:100]))
	require.Empty(t, h.collect())
	write(t, h.log("wtmp"), string(whole))
	require.Equal(t, []string{loginLine("a", now)}, h.collect())
}

func TestAHugeRecordOfLoginsIsReadInPiecesFromItsEnd(t *testing.T) {
	h := newLoginHost(t)
	path := h.log("btmp")
	size := int64(len(record{}.bytes()))
	write(t, path, "")
	require.NoError(t, os.Truncate(path, size*10_000_000)) // sparse: 4 GB of the year 1970
	now := time.Now()
	require.Empty(t, h.collect())

	many := make([]record, 12_000)
	for i := range many {
		many[i] = record{kind: loginProcess, user: "root", host: fmt.Sprint(i), line: "ssh:notty", time: now}
	}
	appendRecords(t, path, many...)
	seen := make(map[string]bool)
	for range 4 {
		got := h.collect()
		require.LessOrEqual(t, len(got), 5100)
		for _, l := range got {
			require.False(t, seen[l], "reported twice: %s", l)
			seen[l] = true
		}
	}
	require.Len(t, seen, len(many))
}

func TestDamagedStateOnlyForgets(t *testing.T) {
	h := newLoginHost(t)
	write(t, filepath.Join(h.state, "logins.json"), `{"wtmp`)
	now := time.Now()
	appendRecords(t, h.log("wtmp"), ofUser("a", now))
	require.Equal(t, []string{loginLine("a", now)}, h.collect())
	h.restart()
	require.Empty(t, h.collect())
}

// TestLastReadsTheSameRecords checks that last(1) accepts the records of these tests.
func TestLastReadsTheSameRecords(t *testing.T) {
	last, err := exec.LookPath("last")
	if err != nil {
		t.Skip("last(1) is not installed")
	}
	h := newLoginHost(t)
	appendRecords(t, h.log("wtmp"), ofUser("alice", time.Now()))
	output, err := exec.Command(last, "-f", h.log("wtmp")).Output()
	require.NoError(t, err)
	require.Equal(t, []string{"alice", "pts/0", "10.0.0.1"}, strings.Fields(string(output))[:3])
	require.Len(t, h.collect(), 1)
}
