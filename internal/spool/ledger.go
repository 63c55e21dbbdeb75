package spool

import (
	"maps"
	"sync"

	"github.com/lodastack/agent"
)

// Reasons for which the spool drops points that it had accepted.
const (
	// DroppedFull: they were the oldest when the spool reached its MaxSize.
	DroppedFull = "spool_full"
	// DroppedAge: they waited for longer than MaxAge.
	DroppedAge = "spool_age"
	// DroppedDamaged: they could not be read back from the disk.
	DroppedDamaged = "spool_damaged"
)

// ledger keeps the accounts. Each method is one step from balance to balance.
type ledger struct {
	mu       sync.Mutex
	accounts map[string]*agent.Account // guarded by mu
	waiting  int64                     // of all namespaces; guarded by mu
}

// account must be called with the lock held.
func (l *ledger) account(namespace string) *agent.Account {
	a := l.accounts[namespace]
	if a == nil {
		a = &agent.Account{Dropped: map[string]int64{}}
		l.accounts[namespace] = a
	}
	return a
}

// passed counts points that the inner output took at once.
func (l *ledger) passed(namespace string, n int64) {
	if n == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.account(namespace)
	a.Accepted += n
	a.Delivered += n
}

// stored counts points that are on disk now.
func (l *ledger) stored(namespace string, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.account(namespace)
	a.Accepted += n
	a.Waiting += n
	l.waiting += n
}

// delivered counts points that had waited and were taken by the inner output.
func (l *ledger) delivered(namespace string, n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.account(namespace)
	a.Waiting -= n
	a.Delivered += n
	l.waiting -= n
}

// dropped counts points that had waited and are lost.
func (l *ledger) dropped(points map[string]int64, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for namespace, n := range points {
		a := l.account(namespace)
		a.Waiting -= n
		a.Dropped[reason] += n
		l.waiting -= n
	}
}

func (l *ledger) waits() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}

func (l *ledger) copy() map[string]agent.Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	accounts := make(map[string]agent.Account, len(l.accounts))
	for namespace, a := range l.accounts {
		c := *a
		c.Dropped = maps.Clone(a.Dropped)
		accounts[namespace] = c
	}
	return accounts
}
