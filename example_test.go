package agent_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"time"

	"github.com/lodastack/agent"
)

// An agent that measures a queue of its program and prints the points, until
// Ctrl-C. README.md shows its middle.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	jobs := make(chan string, 100) // what the program is about
	jobs <- "a job"

	a, err := agent.New(
		agent.WithRegistry(agent.StaticRegistry("shop")),
		agent.WithOutput(agent.NewWriterOutput(os.Stdout)),
		agent.WithCollector("JOBS", 10*time.Second, agent.CollectorFunc(
			func(context.Context) ([]agent.Metric, error) {
				return []agent.Metric{{Name: "jobs.waiting", Value: len(jobs)}}, nil
			})),
	)
	if err != nil {
		log.Fatal(err) // names everything that is missing or wrong
	}
	err = a.Run(ctx)
	if err != nil {
		log.Fatal(err)
	}
}

// A collector of one's own. What it measures goes to each namespace of the host.
func ExampleWithCollector() {
	ctx, stop := context.WithCancel(context.Background())
	queues := map[string]int{"mails": 3}

	a, err := agent.New(
		agent.WithHostname("web-1"),
		agent.WithRegistry(agent.StaticRegistry("shop")),
		agent.WithOutput(agent.OutputFunc(func(_ context.Context, b agent.Batch) error {
			for _, m := range b.Metrics {
				fmt.Println(b.Namespace, m.Name, m.Tags, m.Value)
			}
			stop() // one point is enough here
			return nil
		})),
		agent.WithCollector("QUEUE", time.Hour, agent.CollectorFunc(
			func(context.Context) (metrics []agent.Metric, err error) {
				for name, length := range queues {
					metrics = append(metrics, agent.Metric{
						Name: "queue.length", Value: length, Tags: map[string]string{"queue": name},
					})
				}
				return metrics, nil
			})),
	)
	if err != nil {
		log.Fatal(err)
	}
	if err := a.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: shop queue.length map[host:web-1 queue:mails] 3
}

// A metric that no collector measures. Nil means that it is safe.
func ExampleAgent_Send() {
	a, err := agent.New(
		agent.WithHostname("web-1"),
		agent.WithRegistry(agent.StaticRegistry("shop")),
		agent.WithOutput(agent.NewWriterOutput(os.Stdout)),
	)
	if err != nil {
		log.Fatal(err)
	}
	order := agent.Metric{Name: "shop.orders", Value: 12, Timestamp: 1_700_000_000}
	if err := a.Send(context.Background(), "shop", []agent.Metric{order}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(a.Post(context.Background(), "a b", []agent.Metric{order}))
	// Output:
	// shop.orders,host=web-1 value=12 1700000000
	// namespace "a b" contains ' '; namespaces consist of a-z A-Z 0-9 . _ -
}

// The HTTP API, mounted below a path of the program's own server.
func ExampleAgent_Handler() {
	a, err := agent.New(
		agent.WithRegistry(agent.StaticRegistry("shop", "shop.db")),
		agent.WithOutput(agent.NewWriterOutput(os.Stdout)),
	)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/agent/", http.StripPrefix("/agent", a.Handler()))
	server := httptest.NewServer(mux)
	defer server.Close()

	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- a.Run(ctx) }()
	<-a.Ready()

	response, err := server.Client().Get(server.URL + "/agent/me/ns")
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(os.Stdout, response.Body); err != nil {
		log.Fatal(err)
	}
	stop()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	// Output: ["shop","shop.db"]
}

// A program that acts on what happens in the agent: its handler looks for events,
// and passes all lines on.
func ExampleEventKey() {
	ctx, stop := context.WithCancel(context.Background())
	a, err := agent.New(
		agent.WithRegistry(agent.RegistryFunc(func(context.Context, agent.Host) ([]agent.Assignment, error) {
			return nil, io.ErrUnexpectedEOF
		})),
		agent.WithOutput(agent.NewWriterOutput(os.Stdout)),
		agent.WithLogger(slog.New(pager{slog.DiscardHandler, stop})),
	)
	if err != nil {
		log.Fatal(err)
	}
	if err := a.Run(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: page somebody: ask the registry for assignments: unexpected EOF
}

// pager pages somebody when the registry fails.
type pager struct {
	slog.Handler
	paged func()
}

func (p pager) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (p pager) Handle(ctx context.Context, r slog.Record) error {
	attrs := make(map[string]any)
	r.Attrs(func(a slog.Attr) bool { attrs[a.Key] = a.Value.Any(); return true })
	if attrs[agent.EventKey] == agent.EventRegistryFailed {
		fmt.Println("page somebody:", attrs["error"])
		p.paged()
	}
	return p.Handler.Handle(ctx, r)
}
