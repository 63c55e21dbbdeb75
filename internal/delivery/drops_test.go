package delivery_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/delivery"
)

func TestANamespaceDropsPointsNowUntilSomeMinutesAfterTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		e.output.set(refuse(1))
		e.Add(batch{"bad", []int{1, 1}})
		synctest.Wait()
		began := time.Now()
		time.Sleep(5 * time.Minute)
		e.Add(batch{"bad", []int{1}})
		e.Add(batch{"good", []int{2}})
		synctest.Wait()
		drops := e.Drops()
		require.Len(t, drops, 1)
		require.ErrorContains(t, drops[0].Err, "bad point")
		drops[0].Err = nil
		require.Equal(t, delivery.Drop{Namespace: "bad", Reason: "bad", Points: 3, Since: began, Last: time.Now()}, drops[0])

		time.Sleep(time.Second)
		e.Add(batch{"bad", []int{2}})
		time.Sleep(5 * time.Minute)
		require.Len(t, e.Drops(), 1, "some of its points are refused, and some are not")
		time.Sleep(5 * time.Minute)
		require.Empty(t, e.Drops())

		e.Add(batch{"bad", []int{1}})
		synctest.Wait()
		require.Equal(t, int64(1), e.Drops()[0].Points, "counted anew")
		e.close()
	})
}

func TestANamespaceOfWhichNothingIsDeliveredDropsPointsForLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		e.output.set(refuse(1))
		e.Add(batch{"rare", []int{1}})
		time.Sleep(30 * time.Minute)
		require.Len(t, e.Drops(), 1)
		e.Add(batch{"rare", []int{2}})
		synctest.Wait()
		require.Empty(t, e.Drops(), "the next is delivered")
		e.Add(batch{"rare", []int{1}})
		time.Sleep(2 * time.Hour)
		require.Empty(t, e.Drops(), "nothing of it comes any more")
		e.close()
	})
}

func TestWhatTheStoreDropsIsDroppedNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		e := start(t, s)
		e.output.set(away)
		s.mu.Lock()
		s.losses = []delivery.Loss{{Namespace: "ns", Reason: "spool_full", Points: 2}}
		s.mu.Unlock()
		require.NoError(t, e.write(1, 2, 3))
		drops := e.Drops()
		require.Len(t, drops, 1)
		require.Equal(t, "spool_full", drops[0].Reason)
		require.NoError(t, drops[0].Err)
		e.close()
	})
}
