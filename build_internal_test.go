package agent

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestABuildIsWhatTheMakefileStamped(t *testing.T) {
	require.Equal(t, Build{
		Version: "v1.2.0-5-g0123456789ab", Commit: "0123456789abcdef", Branch: "unknown",
		Time: "2026-11-25T20:32:00Z", GoVersion: runtime.Version(),
	}, readBuild("v1.2.0-5-g0123456789ab 0123456789abcdef 2026-11-25T20:32:00Z"))
}

func TestABuildWithoutAStampHasAVersion(t *testing.T) {
	require.NotEmpty(t, readBuild("").Version)
	require.Equal(t, readBuild(""), readBuild("half stamp"))
}
