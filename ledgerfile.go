package agent

import (
	"context"
	"reflect"
	"time"
)

const (
	// ledgerFile in the state directory holds the accounts as they were at
	// most a ledgerInterval ago, and survives power loss.
	ledgerFile     = "ledger.json"
	ledgerInterval = 10 * time.Second
	// recentLedgerFile holds them as they were at most a recentInterval ago,
	// and survives a kill.
	recentLedgerFile = "ledger.recent.json"
	recentInterval   = 250 * time.Millisecond
	// droppedUncleanStop is the reason of points that waited when the accounts
	// were last saved before the agent was killed, and that nobody has found
	// since. They were in memory, or they were delivered in the meantime.
	droppedUncleanStop = "unclean_stop"
)

// loadLedger carries the accounts over a restart. Of an earlier run
// there are only delivered and dropped points: what it left waiting is waiting
// still in the keeper, which has counted it, or is gone. After a kill the
// accounts lack what happened since they were last saved.
func (a *Agent) loadLedger() {
	saved, err := a.savedLedger()
	if err != nil {
		a.config.logger.Warn("the accounts begin anew", "error", err)
		return
	}
	found := a.found()
	for namespace, account := range saved {
		if gone := account.Waiting - found[namespace]; gone > 0 {
			account.add(Account{Dropped: map[string]int64{droppedUncleanStop: gone}})
		}
		account.Waiting = 0
		account.Accepted = account.Delivered + sum(account.Dropped)
		saved[namespace] = account
	}
	a.mu.Lock()
	a.earlier = saved
	a.mu.Unlock()
	// A kill soon from now must not count as gone what is delivered until then.
	a.noteLedger(a.accounts())
}

// savedLedger returns the newer of the accounts that were saved.
func (a *Agent) savedLedger() (map[string]Account, error) {
	var saved, recent map[string]Account
	err := a.state().load(ledgerFile, &saved)
	if a.state().load(recentLedgerFile, &recent) == nil && acceptedOf(recent) >= acceptedOf(saved) {
		return recent, nil
	}
	return saved, err
}

func acceptedOf(accounts map[string]Account) (points int64) {
	for _, account := range accounts {
		points += account.Accepted
	}
	return points
}

// found returns how many points of earlier runs the keeper had when it was
// opened. It may have delivered some of them by now.
func (a *Agent) found() map[string]int64 {
	points := make(map[string]int64)
	if keeper, ok := a.config.output.(Keeper); ok {
		given := a.ledger.snapshot()
		for namespace, account := range keeper.Accounts() {
			points[namespace] = account.Accepted - given[namespace].Delivered
		}
	}
	return points
}

// keepLedger saves the accounts now and then until ctx ends.
func (a *Agent) keepLedger(ctx context.Context) {
	ticker := time.NewTicker(recentInterval)
	defer ticker.Stop()
	var noted, saved map[string]Account
	due := time.Now().Add(ledgerInterval)
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now := a.accounts()
		if !reflect.DeepEqual(now, noted) && a.noteLedger(now) {
			noted = now
		}
		if time.Now().Before(due) {
			continue
		}
		due = time.Now().Add(ledgerInterval)
		if !reflect.DeepEqual(now, saved) && a.saveLedger(now) {
			saved = now
		}
	}
}

// noteLedger tells whether it could. Why it could not, saveLedger will say.
func (a *Agent) noteLedger(accounts map[string]Account) bool {
	return a.state().note(recentLedgerFile, accounts) == nil
}

// saveLedger tells whether it could.
func (a *Agent) saveLedger(accounts map[string]Account) bool {
	a.noteLedger(accounts) // so that what is older is not taken for newer
	if err := a.state().save(ledgerFile, accounts); err != nil {
		a.config.logger.Warn("a restart will not know the accounts", "error", err)
		return false
	}
	return true
}
