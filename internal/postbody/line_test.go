package postbody_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/postbody"
)

func readLines(body string) (points []postbody.Point, err error) {
	err = postbody.ReadLines(body, 0, func(p postbody.Point) error { points = append(points, p); return nil })
	return points, err
}

func TestTimestampsOfLinesMayBeInAnyUnit(t *testing.T) {
	for text, want := range map[string]int64{
		"":                     0,
		" 1700000000":          1700000000,
		" 1700000000999":       1700000000,
		" 1700000000999999":    1700000000,
		" 1700000000999999999": 1700000000,
		" 9223372036854775807": 9223372036,
		" 1000000000":          1000000000,
		" 999999999":           999999999,
		" 0":                   0,
		" -1700000000":         -1700000000,
	} {
		points, err := readLines("a value=1" + text)
		require.NoError(t, err, text)
		require.Equal(t, want, points[0].Timestamp, text)
	}
}

func TestFieldsOfALineArePointsOfTheirOwn(t *testing.T) {
	points, err := readLines(`disk,mount=/ value=1,free=2i,used=3u,ok=true,state="rw"`)
	require.NoError(t, err)
	tags := map[string]string{"mount": "/"}
	require.Equal(t, []postbody.Point{
		{Name: "disk", Tags: tags, Value: 1.0}, {Name: "disk.free", Tags: tags, Value: int64(2)}, {Name: "disk.used", Tags: tags, Value: uint64(3)},
		{Name: "disk.ok", Tags: tags, Value: true}, {Name: "disk.state", Tags: tags, Value: "rw"},
	}, points)
}

func TestFirstBadLineIsNamed(t *testing.T) {
	_, err := readLines("a value=1,b=2\nc,t=1,t=2 value=1\n")
	var bad *postbody.PointError
	require.ErrorAs(t, err, &bad)
	require.Equal(t, 2, bad.Index)
	require.Equal(t, "c", bad.Name)
}

func TestReadersStopWhereTheyAreTold(t *testing.T) {
	enough := errors.New("enough")
	for _, read := range []func() error{
		func() error {
			return postbody.ReadLines("a value=1\nb value=", 0, func(postbody.Point) error { return enough })
		},
		func() error {
			return postbody.ReadJSON(`[{"name":"a"},x`, func(postbody.Point) error { return enough })
		},
	} {
		require.ErrorIs(t, read(), enough)
	}
}

func FuzzReadLines(f *testing.F) {
	for _, body := range []string{
		"a,k=v value=1i 1700000000\n", "a\\ b,k\\,=\\= x=\"\\\"\",y=t", "# comment\n\r\n", "a value=1 x", ",", "a,", "a ", "a value=\"", "a,k= value=1", "\x00 value=1", "a value=1e999",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		points, err := readLines(body)
		var bad *postbody.PointError
		if err != nil {
			require.ErrorAs(t, err, &bad)
			require.Equal(t, len(points), bad.Index, "the points before the bad one are good")
		}
		for _, p := range points {
			require.NotEmpty(t, p.Name)
			require.NotNil(t, p.Value)
		}
	})
}
