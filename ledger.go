package agent

import (
	"maps"
	"sync"
)

// Account is a balance of points. At all times
//
//	Accepted = Delivered + Waiting + the sum of Dropped
type Account struct {
	// Accepted points are those the agent took responsibility for.
	Accepted int64 `json:"accepted"`
	// Delivered points were acknowledged by whom they were sent to.
	Delivered int64 `json:"delivered"`
	// Waiting points are in memory or on disk, still to be delivered.
	Waiting int64 `json:"waiting"`
	// Dropped points are lost, counted by reason.
	Dropped map[string]int64 `json:"dropped,omitempty"`
}

// Keeper is what an [Output] implements, besides, when its Write may return
// before the batch is delivered, as that of a spool does: it tells what has
// become of the points. Where an Output is no Keeper, what it has written is
// delivered.
type Keeper interface {
	// Accounts returns an account for each namespace. Accepted counts the
	// points of every Write that returned nil, those that were safe where a
	// Write was partly refused, and those that were found waiting when the
	// output was opened. The values are one consistent picture.
	Accounts() map[string]Account
}

// Reasons for which the agent itself drops points.
const (
	droppedBufferFull = "buffer_full" // newer points needed the room
	droppedShutdown   = "shutdown"    // the output did not take them before the end
)

// ledger keeps an account for each namespace. It is safe for concurrent use.
type ledger struct {
	moved chan struct{} // has a token once something was booked

	mu       sync.Mutex
	accounts map[string]*Account // guarded by mu
}

func newLedger() *ledger {
	return &ledger{moved: make(chan struct{}, 1), accounts: make(map[string]*Account)}
}

// accept books points that wait from now on.
func (l *ledger) accept(namespace string, points int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	account := l.account(namespace)
	account.Accepted += int64(points)
	account.Waiting += int64(points)
}

// deliver books waiting points as delivered.
func (l *ledger) deliver(namespace string, points int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	account := l.account(namespace)
	account.Waiting -= int64(points)
	account.Delivered += int64(points)
}

// drop books waiting points as dropped.
func (l *ledger) drop(namespace, reason string, points int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	account := l.account(namespace)
	account.Waiting -= int64(points)
	if account.Dropped == nil {
		account.Dropped = make(map[string]int64)
	}
	account.Dropped[reason] += int64(points)
}

// dropped returns how many points of all namespaces were dropped for a reason.
func (l *ledger) dropped(reason string) (points int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, account := range l.accounts {
		points += account.Dropped[reason]
	}
	return points
}

// account returns that of a namespace, to be changed. The caller holds mu.
func (l *ledger) account(namespace string) *Account {
	select {
	case l.moved <- struct{}{}:
	default:
	}
	account := l.accounts[namespace]
	if account == nil {
		account = new(Account)
		l.accounts[namespace] = account
	}
	return account
}

// has tells whether there is an account for a namespace.
func (l *ledger) has(namespace string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accounts[namespace] != nil
}

// snapshot returns a copy of all accounts.
func (l *ledger) snapshot() map[string]Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	accounts := make(map[string]Account, len(l.accounts))
	for namespace, account := range l.accounts {
		clone := *account
		clone.Dropped = maps.Clone(account.Dropped)
		accounts[namespace] = clone
	}
	return accounts
}

// accounts returns the balance of each namespace over all runs, through the
// output and what that keeps.
func (a *Agent) accounts() map[string]Account {
	a.loadEarlier.Do(a.loadLedger)
	accounts := a.ledger.snapshot()
	if keeper, ok := a.config.output.(Keeper); ok {
		// What the keeper took is delivered for the ledger: its own account says
		// what became of it.
		for namespace, kept := range keeper.Accounts() {
			account := accounts[namespace]
			account.Delivered = 0
			account.Accepted = account.Waiting + sum(account.Dropped)
			account.add(kept)
			accounts[namespace] = account
		}
	}
	for namespace, account := range a.earlier {
		account.Dropped = maps.Clone(account.Dropped)
		account.add(accounts[namespace])
		accounts[namespace] = account
	}
	return accounts
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

func sum(counts map[string]int64) (total int64) {
	for count := range maps.Values(counts) {
		total += count
	}
	return total
}
