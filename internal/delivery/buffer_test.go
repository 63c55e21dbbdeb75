package delivery_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/delivery"
)

func TestPointsThatAreStoredOrDeliveredLeaveRoomInTheBuffer(t *testing.T) {
	for name, answer := range map[string]answer{"stored": away, "delivered": nil, "refused": refuse(1)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := start(t, &store{})
				e.output.set(answer)
				for range 5 {
					e.Add(batch{"ns", slices.Repeat([]int{1}, 600)}) // the buffer takes 1000
					time.Sleep(time.Second)
				}
				e.output.set(away)
				e.store.setFailing("Put", errors.New("no space left"))
				for range 2 {
					e.Add(batch{"ns", make([]int, 500)})
					time.Sleep(time.Second)
				}
				require.Zero(t, e.account().Dropped[delivery.DroppedBufferFull])
				e.output.set(nil)
				e.store.setFailing("", nil)
				e.settle()
				e.close()
			})
		})
	}
}

func TestTheOldestBatchOfAllNamespacesMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		e.output.set(hung)
		namespaces := []string{"a", "b", "c", "d", "e", "f"}
		for _, points := range []int{1, 100, 100} { // the first is being written
			for _, namespace := range namespaces {
				e.Add(batch{namespace, make([]int, points)})
				synctest.Wait()
			}
		}
		accounts, _ := e.Accounts()
		for _, namespace := range namespaces {
			want := int64(0)
			if namespace < "d" { // 1206 points are 206 too many
				want = 100
			}
			require.Equal(t, want, accounts[namespace].Dropped[delivery.DroppedBufferFull], namespace)
		}
		e.output.set(nil)
		e.settle()
		e.close()
	})
}

func TestPointsThatSomebodyWaitsForDoNotMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		release := make(chan struct{})
		e.output.set(func(context.Context, batch) error { <-release; return nil })
		var writers sync.WaitGroup
		for i := range 2 {
			writers.Go(func() { require.NoError(t, e.write(i)) })
			synctest.Wait() // the first is being written
		}
		e.Add(batch{"ns", make([]int, 600)})
		synctest.Wait()
		e.Add(batch{"ns", make([]int, 600)})
		close(release)
		writers.Wait()
		e.settle()
		require.Equal(t, delivery.Account{Accepted: 1202, Delivered: 1202}, e.account())
		e.close()
	})
}

func TestAFullBufferIsLoggedOnceUntilThereWasRoomAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		for outage := 1; outage <= 2; outage++ {
			e.output.set(away)
			for i := range 5 {
				e.Add(batch{"ns", slices.Repeat([]int{i}, 400)})
				time.Sleep(10 * time.Second)
			}
			require.Equal(t, outage, e.log.count("event=buffer_full"))
			require.Equal(t, int64(outage*3*400), e.account().Dropped[delivery.DroppedBufferFull])
			e.output.set(nil)
			e.settle()
			e.Add(batch{"ns", []int{1}})
			e.settle()
		}
		require.Equal(t, slices.Concat([]int{1, 1}, slices.Repeat([]int{3}, 800), slices.Repeat([]int{4}, 800)), e.output.points(), "the oldest were dropped")
		e.close()
	})
}

func TestOldestTellsSinceWhenTheOldestBatchWaitsInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := start(t, nil)
		require.Zero(t, e.Oldest())
		e.output.set(hung)
		e.Add(batch{"a", []int{1}})
		e.Add(batch{"b", []int{1}})
		synctest.Wait()
		require.Zero(t, e.Oldest(), "both are being written")
		time.Sleep(time.Second)
		oldest := time.Now()
		e.Add(batch{"b", []int{2}})
		time.Sleep(time.Second)
		e.Add(batch{"a", []int{2}})
		require.Equal(t, oldest, e.Oldest())
		e.output.set(nil)
		e.settle()
		require.Zero(t, e.Oldest())
		e.close()
	})
}
