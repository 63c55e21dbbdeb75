package stock

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAuditLogIsRotatedAsTheLog(t *testing.T) {
	dir := t.TempDir()
	log, err := openLog(LogConfig{LogDir: dir, LogRotateSize: 1 << 20})
	require.NoError(t, err)
	require.NoError(t, log.reopen(LogConfig{LogDir: dir, LogRotateSize: 4 << 10, LogRotateNum: 1}))
	line := `{"time":"` + strings.Repeat("x", 1000) + `"}` + "\n"
	for range 10 {
		_, err := fmt.Fprint(log.audit, line)
		require.NoError(t, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "audit.log*"))
	require.NoError(t, err)
	require.Len(t, files, 2, "rotated as the log is")
	require.NoError(t, log.Close())
}
