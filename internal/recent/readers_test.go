package recent

import (
	"slices"
	"strings"
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
			<-reader.Ready()
			require.Equal(t, []Point{{Namespace: "web", Name: "cpu.idle", Tags: map[string]string{}}}, reader.Take())
			require.Empty(t, reader.Ready())
			require.Zero(t, reader.LeftOut())
			reader.Close()
			add(m, Point{Namespace: "web", Name: "cpu.idle"})
			require.Empty(t, reader.Take())
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
		require.EqualValues(t, 2, reader.LeftOut())
		require.Zero(t, reader.LeftOut())
		<-reader.Ready()
		add(m, points...)
		<-reader.Ready() // it has missed some, although none waits that it did not know of
		add(m, points...)
		require.Empty(t, reader.Ready(), "a flood does not wake it again and again")
		require.EqualValues(t, 10, reader.LeftOut())
		time.Sleep(time.Second)
		add(m, points...)
		require.Len(t, reader.Take(), 6, "three of each second")
		require.EqualValues(t, 2, reader.LeftOut())
	})
}

func TestAReaderHearsOfAFloodThatNobodyLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := New(true)
		reader, err := m.Read(Filter{}, MaxRate)
		require.NoError(t, err)
		other, err := NewFilter("", "cpu")
		require.NoError(t, err)
		unconcerned, err := m.Read(other, MaxRate)
		require.NoError(t, err)
		post := slices.Repeat([]Point{{Namespace: "web", Name: "RUN.x"}}, 10_000)
		for range 100 {
			m.AddPosted("web", "RUN.", len(post), seq(post...))
		}
		require.Len(t, reader.Take(), queued)
		require.EqualValues(t, 100*len(post)-queued, reader.LeftOut(), "each point was given or counted")
		require.Zero(t, unconcerned.LeftOut(), "none of the posts is what it reads")
	})
}

func TestAQueueIsBoundedInBytes(t *testing.T) {
	m := New(false)
	reader, err := m.Read(Filter{}, MaxRate)
	require.NoError(t, err)
	large := Point{Name: "x", Value: strings.Repeat("x", 65_000)}
	add(m, large, large, large)
	require.Len(t, reader.Take(), 2)
	require.EqualValues(t, 1, reader.LeftOut())
	add(m, large)
	require.Len(t, reader.Take(), 1, "what was taken makes room")
}

// The strings of a post are parts of its body.
func TestWhatWaitsForAReaderDoesNotKeepTheBodiesOfPosts(t *testing.T) {
	m := New(true)
	reader, err := m.Read(Filter{}, MaxRate)
	require.NoError(t, err)
	before := heap()
	for i := range queued {
		body := strings.Repeat(string(rune('a'+i%26)), 1<<20)
		add(m, Point{Namespace: body[:3], Name: body[:10+i], Tags: map[string]string{body[:4]: body[:5]}, Value: body[:50]})
	}
	require.Less(t, heap()-min(before, heap()), uint64(8<<20))
	require.Len(t, reader.Take(), queued)
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
	_, more := <-reader.Ready()
	require.False(t, more)
	reader.Close()
	add(m, Point{Name: "x"}) // nobody reads
	_, err = m.Read(Filter{}, 1)
	require.ErrorIs(t, err, ErrClosed)
}
