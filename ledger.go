package agent

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
	// points of every Write that returned nil and the points that were found
	// waiting when the output was opened. The values are one consistent
	// picture.
	Accounts() map[string]Account
}
