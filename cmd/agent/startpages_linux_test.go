package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPagesOfTheStartAreReleased(t *testing.T) {
	resident := func() (kib int) {
		status, err := os.ReadFile("/proc/self/status")
		require.NoError(t, err)
		_, after, _ := strings.Cut(string(status), "RssFile:")
		_, err = fmt.Sscan(after, &kib)
		require.NoError(t, err)
		return kib
	}
	before := resident()
	require.NoError(t, releaseStartPages())
	require.Less(t, resident(), before*3/4)
}
