package agenttest

import (
	"sync"
	"testing"
	"time"
)

// patience is how long the WaitFor methods wait before they fail the test.
const patience = 30 * time.Second

// notes guards the records of a fake and wakes the callers that wait for more.
type notes struct {
	mu      sync.Mutex
	changed chan struct{} // guarded by mu; closed at the next change; nil: nobody waits
}

// change calls f, which may change the records.
func (n *notes) change(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}

// wait returns once done is true, which it checks after every change. After
// patience it fails the test, with missing() as the reason.
func (n *notes) wait(tb testing.TB, done func() bool, missing func() string) {
	tb.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		n.mu.Lock()
		if done() {
			n.mu.Unlock()
			return
		}
		if n.changed == nil {
			n.changed = make(chan struct{})
		}
		changed := n.changed
		n.mu.Unlock()
		select {
		case <-changed:
		case <-timer.C:
			n.mu.Lock()
			defer n.mu.Unlock()
			tb.Fatalf("after %s: %s", patience, missing())
		}
	}
}
