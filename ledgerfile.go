package agent

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/lodastack/agent/internal/backoff"
)

const (
	// ledgerFile in the state directory holds the accounts as they were at
	// most a ledgerInterval ago, and survives power loss.
	ledgerFile     = "ledger.json"
	ledgerInterval = 10 * time.Second
	// noteInterval is how often they are noted while points move: as much is
	// forgotten after a kill.
	noteInterval = 25 * time.Millisecond
	// droppedUncleanStop is the reason of points that waited when the accounts
	// were last saved before the agent was killed, and that nobody has found
	// since. They were in memory, or they were delivered in the meantime.
	droppedUncleanStop = "unclean_stop"
)

// loadLedger carries the accounts over a restart, once they are asked for. Of
// an earlier run there are only delivered and dropped points: what it left
// waiting is waiting still in the keeper, which has counted it, or is gone.
// After a kill the accounts lack what happened since they were last saved.
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
	a.earlier = saved
}

// savedLedger returns the newer of the accounts that were saved and noted.
func (a *Agent) savedLedger() (map[string]Account, error) {
	var saved map[string]Account
	err := a.state().load(ledgerFile, &saved)
	if noted := a.notes.read(); noted != nil && acceptedOf(noted) >= acceptedOf(saved) {
		return noted, nil
	}
	return saved, err
}

func waitingOf(accounts map[string]Account) (points int64) {
	for _, account := range accounts {
		points += account.Waiting
	}
	return points
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

// keepLedger notes the accounts when points have moved, and saves them now and
// then, until ctx ends.
func (a *Agent) keepLedger(ctx context.Context) {
	look := time.NewTimer(0) // what the keeper does is only seen by looking
	defer look.Stop()
	// A kill soon from now must not count as gone what is delivered until then.
	noted := a.accounts()
	if err := a.notes.write(noted); err != nil {
		a.config.logger.Warn("a restart will not know the accounts", "error", err)
	}
	var saved map[string]Account
	due := time.Now().Add(ledgerInterval)
	for backoff.Pause(ctx, noteInterval) {
		now := a.accounts()
		if !reflect.DeepEqual(now, noted) && a.notes.write(now) == nil {
			noted = now
		}
		if !time.Now().Before(due) {
			due = time.Now().Add(ledgerInterval)
			if !reflect.DeepEqual(now, saved) && a.saveLedger(now) {
				saved = now
			}
		}
		if look.Reset(time.Until(due)); waitingOf(now) > 0 {
			look.Reset(0)
		}
		select {
		case <-a.ledger.moved:
		case <-look.C:
		case <-ctx.Done():
		}
	}
}

// saveLedger tells whether it could.
func (a *Agent) saveLedger(accounts map[string]Account) bool {
	// What is older must not be taken for newer.
	if err := errors.Join(a.notes.write(accounts), a.state().save(ledgerFile, accounts)); err != nil {
		a.config.logger.Warn("a restart will not know the accounts", "error", err)
		return false
	}
	return true
}
