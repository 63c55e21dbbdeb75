package delivery

import "context"

// Store keeps batches until they are done, in the order of Put. The engine
// calls its methods one at a time.
type Store[T any] interface {
	// Waiting returns how many points of each namespace the store has. It is
	// called first, and returns when ctx ends. After an error, the store is not
	// used.
	Waiting(ctx context.Context) (map[string]int64, error)
	// Put returns nil once all batches are stored. After an error none is
	// stored.
	Put(ctx context.Context, batches []Batch[T]) error
	// Next returns a limited number of the oldest batches that it has not
	// returned yet. It returns none if there are no more. The batches stay
	// stored until Done.
	Next(ctx context.Context) ([]Batch[T], error)
	// Done removes the batches of the oldest Next that is not done, and puts
	// rest, the part that is not delivered yet, after all others. After an
	// error nothing has changed.
	Done(ctx context.Context, rest []Batch[T]) error
	// Rewind makes Next return again everything that is not done.
	Rewind()
	// Losses returns what the store has dropped since the last call.
	Losses() []Loss
	// Close closes the store. The batches stay for the next opening.
	Close(ctx context.Context) error
}

// Loss is a number of points that were dropped.
type Loss struct {
	Namespace string
	Reason    string
	Points    int
}
