package gitregistry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
)

// refusing is a repository whose heads cannot be fetched.
type refusing struct {
	head    string
	fetched int
}

func (r *refusing) Head(context.Context) (string, error) { return r.head, nil }

func (r *refusing) Kept() (Head, bool) { return Head{}, false }

func (r *refusing) Fetch(context.Context, string, string, int64) (Head, error) {
	r.fetched++
	return Head{}, errors.New("too large")
}

func TestAHeadThatCannotBeFetchedIsTriedLessAndLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		repository := &refusing{head: "a"}
		registry := New(Config{Repository: repository})
		ask := func() error {
			_, err := registry.Assignments(t.Context(), agent.Host{})
			return err
		}
		for range 6 * 60 {
			require.EqualError(t, ask(), "fetch the fleet repository: too large", "the same each time: it is logged once")
			time.Sleep(time.Minute)
		}
		require.Greater(t, repository.fetched, 30)
		require.Less(t, repository.fetched, 90)
		repository.head, repository.fetched = "b", 0
		require.Error(t, ask())
		require.Equal(t, 1, repository.fetched, "another head is fetched at once")
		require.Error(t, ask())
		require.Equal(t, 1, repository.fetched)
	})
}

// away is a repository whose host can be away.
type away struct {
	gone    bool
	fetched int
}

func (r *away) Head(context.Context) (string, error) {
	if r.gone {
		return "", errors.New("no route to host")
	}
	return "a", nil
}

func (r *away) Kept() (Head, bool) { return Head{}, false }

func (r *away) Fetch(context.Context, string, string, int64) (Head, error) {
	r.fetched++
	return Head{Commit: "a", Files: []File{{Name: "all.toml", Content: []byte("name = \"all\"\n")}}}, nil
}

func TestAHostThatIsAwayForADayChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		repository := &away{}
		registry := New(Config{Repository: repository})
		first, err := registry.Assignments(t.Context(), agent.Host{})
		require.NoError(t, err)
		before := registry.InspectRegistry()
		repository.gone = true
		for range 24 * 60 {
			time.Sleep(time.Minute)
			_, err := registry.Assignments(t.Context(), agent.Host{})
			require.EqualError(t, err, "ask the fleet repository for its head: no route to host")
			require.Equal(t, before, registry.InspectRegistry())
		}
		repository.gone = false
		again, err := registry.Assignments(t.Context(), agent.Host{})
		require.NoError(t, err)
		require.Equal(t, first, again)
		require.Equal(t, 1, repository.fetched)
	})
}
