package agent

import (
	"context"
	"reflect"
	"time"
)

const (
	// ledgerFile in the state directory holds the accounts.
	ledgerFile = "ledger.json"
	// ledgerInterval is how often it is written when points move.
	ledgerInterval = 10 * time.Second
	// droppedUncleanStop is the reason of points that waited in memory when
	// the agent was killed, so that nobody knows what became of them.
	droppedUncleanStop = "unclean_stop"
)

// loadLedger carries the accounts over a restart. Of an earlier run
// there are only delivered and dropped points: what it left waiting is waiting
// still in the keeper, which has counted it, or is gone.
func (a *Agent) loadLedger() {
	var saved map[string]Account
	if err := a.state().load(ledgerFile, &saved); err != nil {
		a.config.logger.Warn("the accounts begin anew", "error", err)
		return
	}
	found := map[string]Account{}
	if keeper, ok := a.config.output.(Keeper); ok {
		found = keeper.Accounts()
	}
	for namespace, account := range saved {
		if gone := account.Waiting - found[namespace].Waiting; gone > 0 {
			account.add(Account{Dropped: map[string]int64{droppedUncleanStop: gone}})
		}
		account.Waiting = 0
		account.Accepted = account.Delivered + sum(account.Dropped)
		saved[namespace] = account
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.earlier = saved
}

// keepLedger saves the accounts now and then until ctx ends.
func (a *Agent) keepLedger(ctx context.Context) {
	ticker := time.NewTicker(ledgerInterval)
	defer ticker.Stop()
	var saved map[string]Account
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if now := a.accounts(); !reflect.DeepEqual(now, saved) && a.saveLedger(now) {
			saved = now
		}
	}
}

// saveLedger tells whether it could.
func (a *Agent) saveLedger(accounts map[string]Account) bool {
	if err := a.state().save(ledgerFile, accounts); err != nil {
		a.config.logger.Warn("a restart will not know the accounts", "error", err)
		return false
	}
	return true
}
