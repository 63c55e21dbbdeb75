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
