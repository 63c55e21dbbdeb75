package recent

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAReaderGetsWhatItsFilterChooses(t *testing.T) {
	for name, m := range map[string]*Memory{"remembering": New(true), "not remembering": New(false)} {
		t.Run(name, func(t *testing.T) {
			filter, err := NewFilter("web", "cpu")
			require.NoError(t, err)
			reader, err := m.Read(filter, 10)
			require.NoError(t, err)
			add(m, Point{Namespace: "web", Name: "mem.free"}, Point{Namespace: "db", Name: "cpu.idle"}, Point{Namespace: "web", Name: "cpu.idle"})
			require.Equal(t, Point{Namespace: "web", Name: "cpu.idle"}, <-reader.Points())
			require.Empty(t, reader.Points())
			require.Zero(t, reader.LeftOut())
			reader.Close()
			add(m, Point{Namespace: "web", Name: "cpu.idle"})
			require.Empty(t, reader.Points())
		})
	}
}

func TestAReaderMissesWhatIsAboveItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(true)
		reader, err := m.Read(Filter{}, 3)
		require.NoError(t, err)
		points := slices.Repeat([]Point{{Name: "x"}}, 5)
		add(m, points...)
		require.Len(t, reader.Points(), 3)
		require.EqualValues(t, 2, reader.LeftOut())
		time.Sleep(time.Second)
		add(m, points...)
		require.Len(t, reader.Points(), 3, "a queue that nobody empties stays as it is")
		require.EqualValues(t, 5, reader.LeftOut())
		require.Zero(t, reader.LeftOut())
	})
}

func TestAReaderHearsOfAFloodThatNobodyLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(true)
		reader, err := m.Read(Filter{}, MaxRate)
		require.NoError(t, err)
		post := slices.Repeat([]Point{{Name: "x"}}, 10_000)
		for range 100 {
			m.AddPosted(len(post), seq(post...))
		}
		require.Len(t, reader.Points(), queued)
		require.EqualValues(t, 100*len(post)-queued, reader.LeftOut(), "each point was given or counted")
	})
}

func TestReadersAreBounded(t *testing.T) {
	m := New(true)
	var readers []*Reader
	for range MaxReaders {
		reader, err := m.Read(Filter{}, 1)
		require.NoError(t, err)
		readers = append(readers, reader)
	}
	_, err := m.Read(Filter{}, 1)
	require.ErrorIs(t, err, ErrTooManyReaders)
	readers[0].Close()
	readers[0].Close()
	_, err = m.Read(Filter{}, 1)
	require.NoError(t, err)
}

func TestCloseEndsAllReaders(t *testing.T) {
	m := New(true)
	reader, err := m.Read(Filter{}, 1)
	require.NoError(t, err)
	m.Close()
	_, more := <-reader.Points()
	require.False(t, more)
	reader.Close()
	add(m, Point{Name: "x"}) // nobody reads
	_, err = m.Read(Filter{}, 1)
	require.ErrorIs(t, err, ErrClosed)
}
