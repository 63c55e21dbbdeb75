package pluginoutput_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/lineproto"
	"github.com/lodastack/agent/internal/pluginoutput"
)

// read returns the points and the errors of what was printed.
func read(format pluginoutput.Format, stdout string, status int) (points []lineproto.Point, errs []string) {
	all, err := pluginoutput.Print{Format: format, Stdout: []byte(stdout), Status: status}.Points()
	if err != nil {
		return nil, []string{err.Error()}
	}
	for point, err := range all {
		if err != nil {
			errs = append(errs, point.Name+": "+err.Error())
			continue
		}
		points = append(points, point)
	}
	return points, errs
}

func TestFormatsAreJudgedByName(t *testing.T) {
	for _, name := range append(pluginoutput.Formats(), "") {
		require.NoError(t, pluginoutput.Format(name).Check())
	}
	require.EqualError(t, pluginoutput.Format("xml").Check(), `there is no format "xml": there are json, influx, prometheus, nagios`)
}

func TestOnlyTheFirstFourStatusesOfANagiosCheckAreAResult(t *testing.T) {
	for status := -1; status < 6; status++ {
		require.Equal(t, status == 0, pluginoutput.JSON.TakesStatus(status), status)
		require.Equal(t, status >= 0 && status <= 3, pluginoutput.Nagios.TakesStatus(status), status)
	}
}

func TestABadLineOfLineProtocolCostsOnlyItself(t *testing.T) {
	points, errs := read(pluginoutput.Influx, "\xef\xbb\xbfcpu\\ load,core=0 value=1,idle=2i 1700000000000000000\nbad line here\nmem free=3\n", 0)
	require.Equal(t, []lineproto.Point{
		{Name: "cpu_load", Tags: map[string]string{"core": "0"}, Value: 1.0, Timestamp: 1700000000},
		{Name: "cpu_load.idle", Tags: map[string]string{"core": "0"}, Value: int64(2), Timestamp: 1700000000},
		{Name: "mem.free", Value: 3.0},
	}, points)
	require.Len(t, errs, 1)
	require.Contains(t, errs[0], "bad: ")
}
