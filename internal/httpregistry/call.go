package httpregistry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/nonfinite"
)

// Limits of an answer.
const (
	maxAnswer    = 16 << 20 // bytes
	maxRedirects = 3
	maxQuote     = 120 // bytes of a wrong answer in an error
)

// envelope wraps each answer of the registry.
type envelope struct {
	// Status is nil if the answer has none.
	Status *json.Number    `json:"httpstatus"`
	Data   json.RawMessage `json:"data"`
	Msg    any             `json:"msg"`
}

// refusal is the error of a request that the registry refused.
type refusal struct {
	status  string // the HTTP status, or the httpstatus of the envelope
	message string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the registry answers with status %s: %.*q", r.status, maxQuote, r.message)
}

// call makes one request and returns the data of a good answer. If body is nil,
// the request has none.
func (r *Registry) call(ctx context.Context, method, path string, query url.Values, body any) (json.RawMessage, error) {
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()

	address := r.base.JoinPath(path)
	address.RawQuery = query.Encode()
	req, err := newRequest(limited, method, address, body)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	data, err := r.do(req)
	r.logger.Debug("registry asked", slog.String("request", method+" "+address.Redacted()),
		slog.Duration("took", time.Since(began)), slog.Int("bytes", len(data)), slog.Any("error", err))
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fmt.Errorf("timed out after %s: %w", r.timeout, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, address.Redacted(), err)
	}
	return data, nil
}

func newRequest(ctx context.Context, method string, address *url.URL, body any) (*http.Request, error) {
	var content io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode the request: %w", err)
		}
		content = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, address.String(), content)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "loda-agent")
	if body != nil {
		req.Header.Set("Content-Type", "application/json;charset=utf-8")
	}
	return req, nil
}

// do sends req and returns the data of a good answer.
func (r *Registry) do(req *http.Request) (json.RawMessage, error) {
	resp, err := r.client.Do(req)
	if err != nil {
		// A url.Error repeats the method and the address, which the caller
		// adds.
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("the connection was closed: %w", err)
		}
		return nil, fmt.Errorf("no answer: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	answer = bytes.TrimPrefix(answer, []byte("\ufeff"))
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, &refusal{status: resp.Status, message: messageOf(answer)}
	case err != nil:
		return nil, fmt.Errorf("no complete answer, only %s: %w", beginning(answer), err)
	case len(answer) > maxAnswer:
		return nil, fmt.Errorf("the answer is larger than %d MiB and begins with %s", maxAnswer>>20, beginning(answer))
	}
	return open(answer)
}

// messageOf returns the message in the envelope of an answer, or the beginning
// of the answer.
func messageOf(answer []byte) string {
	var e envelope
	if json.Unmarshal(answer, &e) == nil && e.Msg != nil {
		return fmt.Sprint(e.Msg)
	}
	return string(answer[:min(len(answer), maxQuote)])
}

// open returns the data in the envelope.
func open(answer []byte) (json.RawMessage, error) {
	var e envelope
	err := json.Unmarshal(answer, &e)
	if err != nil && json.Unmarshal(nonfinite.Replace(answer, `"NaN"`), &e) == nil {
		err = nil // a number that is too large must spoil one item, not all of them
	}
	if err != nil {
		return nil, fmt.Errorf("not an answer of a registry: it begins with %s: %w", beginning(answer), err)
	}
	if e.Status == nil {
		return nil, fmt.Errorf("not an answer of a registry: it has no httpstatus and begins with %s", beginning(answer))
	}
	if e.Status.String() != "200" {
		return nil, &refusal{status: e.Status.String(), message: messageOf(answer)}
	}
	return e.Data, nil
}

// beginning quotes the beginning of an answer.
func beginning(answer []byte) string {
	text := strings.TrimSpace(string(answer[:min(len(answer), maxQuote)]))
	if len(answer) > maxQuote {
		return fmt.Sprintf("%q…", text)
	}
	return fmt.Sprintf("%q", text)
}

// checkRedirect allows a few redirects that keep the method and the encryption.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("the registry redirects more than %d times, at last to %s", maxRedirects, req.URL.Redacted())
	case req.Method != first.Method:
		return fmt.Errorf("the registry redirects to %s, which would turn %s into %s: use that address as the registry's",
			req.URL.Redacted(), first.Method, req.Method)
	case first.URL.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("the registry redirects from https to %s, which is not encrypted", req.URL.Redacted())
	}
	return nil
}
