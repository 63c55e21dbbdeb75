package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lodastack/agent/internal/lineproto"
	"github.com/lodastack/agent/internal/recent"
)

// tailPatience is how long the agent may say nothing: it says something every 15
// seconds.
const tailPatience = 45 * time.Second

// tailing is what tail was asked for.
type tailing struct {
	namespace, pattern string
	rate               int
	json               bool
	patience           time.Duration // with an agent that says nothing
}

// query returns the parameters for /me/stream.
func (t tailing) query() (string, error) {
	if _, err := recent.NewFilter(t.namespace, t.pattern); err != nil {
		return "", usageError{err.Error()}
	}
	if t.rate < 1 || t.rate > recent.MaxRate {
		return "", usageError{fmt.Sprintf("--rate %d: write a number from 1 to %d", t.rate, recent.MaxRate)}
	}
	return url.Values{"ns": {t.namespace}, "match": {t.pattern}, "rate": {strconv.Itoa(t.rate)}}.Encode(), nil
}

func tailCommand(c *call) *cobra.Command {
	t := tailing{patience: tailPatience}
	command := &cobra.Command{
		Use: "tail [-f FILE] [--ns NS] [--rate N] [--json] [PATTERN]", Short: "print points as they pass, until Ctrl-C", DisableFlagsInUseLine: true, Args: arguments(0, 1),
		Long: "Prints the points that pass the running agent as line protocol, until Ctrl-C. PATTERN is a glob of the measurement's name, or a name, which " +
			"stands for all names below it, too. What the host measures goes to each of its namespaces and passes once for each. " +
			"How many points were left out is on standard error.",
		Example:     "agent tail cpu\nagent tail --ns shop.web 'RUN.*'",
		Annotations: exitCodes("0  it was ended with Ctrl-C", "1  no agent answers, or it has stopped, or said nothing for 45 seconds", "2  the command line is wrong"),
	}
	c.configFlag(command)
	command.Flags().StringVar(&t.namespace, "ns", "", "only points of the namespace `NS`")
	command.Flags().IntVar(&t.rate, "rate", 100, "at most `N` points a second, 1 to 1000")
	command.Flags().BoolVar(&t.json, "json", false, "print a JSON object for each point, with its namespace")
	command.RunE = func(_ *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		t.pattern = strings.Join(args, "")
		return tail(ctx, c, t)
	}
	return command
}

// tail prints points until ctx ends.
func tail(ctx context.Context, c *call, t tailing) error {
	query, err := t.query()
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	following, end := context.WithCancelCause(ctx)
	defer end(nil)
	silent := time.AfterFunc(t.patience, func() {
		end(fmt.Errorf("the agent at %s has said nothing for %v: it hangs, or cannot be reached any more", client.where, t.patience))
	})
	defer silent.Stop()
	err = t.follow(following, c, client, query, func() { silent.Reset(t.patience) })
	switch {
	case ctx.Err() != nil:
		return nil
	case following.Err() != nil:
		return context.Cause(following)
	}
	return err
}

// follow prints points until the stream ends, and calls heard when the agent has said
// something.
func (t tailing) follow(ctx context.Context, c *call, client *client, query string, heard func()) error {
	response, err := client.send(ctx, http.MethodGet, "/me/stream?"+query)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		body, err := client.body(response)
		if err != nil {
			return err
		}
		return client.refused(response, body)
	}
	printer := pointPrinter{out: c.stdout, json: t.json}
	err = eachEvent(response.Body, heard, func(event, data string) error {
		switch event {
		case "point":
			return printer.print(data)
		case "left_out":
			return leftOut(c.stderr, data)
		}
		return nil
	})
	if err == nil || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		err = fmt.Errorf("the agent at %s has stopped or was restarted: call this again", client.where)
	}
	return err
}

// eachEvent calls handle for each server-sent event in a stream, and heard for each
// line, until the stream ends or handle returns an error.
func eachEvent(stream io.Reader, heard func(), handle func(event, data string) error) error {
	lines := bufio.NewReader(stream)
	var event, data string
	for {
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		heard()
		line = strings.TrimSuffix(line, "\n")
		if line == "" && event != "" {
			if err := handle(event, data); err != nil {
				return err
			}
			event, data = "", ""
		}
		if value, ok := strings.CutPrefix(line, "event: "); ok {
			event = value
		}
		if value, ok := strings.CutPrefix(line, "data: "); ok {
			data = value
		}
	}
}

// pointPrinter prints points of the agent's stream.
type pointPrinter struct {
	out     io.Writer
	json    bool
	encoder lineproto.Encoder
	buf     []byte
}

func (p *pointPrinter) print(data string) error {
	if p.json {
		_, err := fmt.Fprintln(p.out, data)
		return err
	}
	var point struct {
		Name  string
		Tags  map[string]string
		Value any
		Time  int64
	}
	if err := json.Unmarshal([]byte(data), &point); err != nil {
		return fmt.Errorf("read a point of the agent: %w", err)
	}
	var err error
	if p.buf, err = p.encoder.AppendPoint(p.buf[:0], point.Name, point.Tags, point.Value, point.Time); err != nil {
		return fmt.Errorf("print a point of the agent: %w", err)
	}
	_, err = p.out.Write(p.buf)
	return err
}

func leftOut(w io.Writer, data string) error {
	var left struct{ Points int64 }
	if err := json.Unmarshal([]byte(data), &left); err != nil {
		return fmt.Errorf("read the agent's count of points: %w", err)
	}
	_, err := fmt.Fprintf(w, "agent tail: %d points were left out\n", left.Points)
	return err
}
