package delivery

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Account counts points. At all times
//
//	Accepted = Delivered + Waiting + the sum of Dropped
type Account struct {
	Accepted  int64            `json:"accepted"`
	Delivered int64            `json:"delivered"`
	Waiting   int64            `json:"waiting"`
	Dropped   map[string]int64 `json:"dropped,omitempty"`
}

// add adds another account to this one.
func (a *Account) add(other Account) {
	a.Accepted += other.Accepted
	a.Delivered += other.Delivered
	a.Waiting += other.Waiting
	if len(other.Dropped) > 0 && a.Dropped == nil {
		a.Dropped = make(map[string]int64)
	}
	for reason, points := range other.Dropped {
		a.Dropped[reason] += points
	}
}

func (a Account) clone() Account {
	a.Dropped = maps.Clone(a.Dropped)
	return a
}

// forgotten is the key of the sum of the removed accounts, which keeps the
// total from decreasing. No namespace has this key.
const forgotten = ""

// ledger keeps an account for each namespace.
type ledger struct {
	moved chan struct{} // has a token after a booking

	mu       sync.Mutex
	accounts map[string]*balance // guarded by mu
	// dropped at the end of this run; guarded by mu
	lost int64
}

type balance struct {
	Account
	moved     time.Time
	delivered time.Time        // last delivery; zero: none in this run
	drops     map[string]*Drop // of this run, by reason
}

func newLedger() *ledger {
	return &ledger{moved: make(chan struct{}, 1), accounts: make(map[string]*balance)}
}

// step is one change of an account. Points that are accepted and neither
// delivered nor dropped wait from now on. Points that are delivered or dropped
// without being accepted in this step have waited until now.
type step struct {
	accepted, delivered, dropped int
	reason                       string // of dropped
	cause                        error  // of dropped: the output's error; nil if it was not asked
}

// book applies a step to the namespace's account.
func (l *ledger) book(namespace string, s step) {
	if s.accepted == 0 && s.delivered == 0 && s.dropped == 0 {
		return
	}
	l.mu.Lock()
	a := l.accounts[namespace]
	if a == nil {
		a = &balance{}
		l.accounts[namespace] = a
	}
	a.moved = time.Now()
	a.Accepted += int64(s.accepted)
	a.Delivered += int64(s.delivered)
	if s.delivered > 0 {
		a.delivered = a.moved
	}
	if s.dropped > 0 {
		a.noteDrop(namespace, s, a.moved)
		if a.Dropped == nil {
			a.Dropped = make(map[string]int64)
		}
		a.Dropped[s.reason] += int64(s.dropped)
	}
	if s.reason == DroppedShutdown {
		l.lost += int64(s.dropped)
	}
	a.Waiting += int64(s.accepted - s.delivered - s.dropped)
	if a.Waiting < 0 { // the store had more than it had reported
		a.Accepted -= a.Waiting
		a.Waiting = 0
	}
	l.mu.Unlock()
	select {
	case l.moved <- struct{}{}:
	default:
	}
}

// restore starts with the saved accounts of an earlier run. found is what the
// store has. Other points that waited then are gone: they were in memory, or
// they were delivered after the accounts were saved. restore returns how many.
func (l *ledger) restore(saved map[string]Account, found map[string]int64) (gone int64) {
	l.mu.Lock()
	now := time.Now()
	for namespace, account := range saved {
		missing := max(0, account.Waiting-found[namespace])
		if missing > 0 {
			account.add(Account{Dropped: map[string]int64{DroppedUncleanStop: missing}})
		}
		gone += missing
		account.Waiting = found[namespace]
		account.Accepted = account.Delivered + account.Waiting
		for _, points := range account.Dropped {
			account.Accepted += points
		}
		l.accounts[namespace] = &balance{Account: account, moved: now}
	}
	for namespace, points := range found {
		if _, known := saved[namespace]; !known {
			l.accounts[namespace] = &balance{Account: Account{Accepted: points, Waiting: points}, moved: now}
		}
	}
	l.mu.Unlock()
	return gone
}

// waitingIn returns how many points wait in each of the accounts.
func waitingIn(accounts map[string]Account) map[string]int64 {
	waiting := make(map[string]int64, len(accounts))
	for namespace, account := range accounts {
		waiting[namespace] = account.Waiting
	}
	return waiting
}

// snapshot returns a copy of all accounts, and their sum.
func (l *ledger) snapshot() (byNamespace map[string]Account, total Account) {
	byNamespace = l.all()
	for _, account := range byNamespace {
		total.add(account)
	}
	delete(byNamespace, forgotten)
	return byNamespace, total
}

// all returns a copy of all accounts, including the sum of the removed ones.
func (l *ledger) all() map[string]Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	accounts := make(map[string]Account, len(l.accounts))
	for namespace, account := range l.accounts {
		accounts[namespace] = account.clone()
	}
	return accounts
}

// waiting returns how many points wait, in memory and in the store.
func (l *ledger) waiting() (points int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, account := range l.accounts {
		points += account.Waiting
	}
	return points
}

// lostAtTheEnd returns how many points were dropped because this run ended.
func (l *ledger) lostAtTheEnd() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

func (l *ledger) forget(current []string, idle time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for namespace, account := range l.accounts {
		if account.Waiting > 0 || namespace == forgotten || time.Since(account.moved) < idle || slices.Contains(current, namespace) {
			continue
		}
		if l.accounts[forgotten] == nil {
			l.accounts[forgotten] = &balance{}
		}
		l.accounts[forgotten].add(account.Account)
		delete(l.accounts, namespace)
	}
}
