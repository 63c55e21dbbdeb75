package httpregistry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Bounds of what an answer may cost.
const (
	maxAnswer    = 16 << 20 // bytes
	maxRedirects = 3
	maxQuote     = 120 // bytes of a wrong answer that an error shows
)

// envelope is around everything the registry answers.
type envelope struct {
	// Status is nil where the answer has none.
	Status *json.Number    `json:"httpstatus"`
	Data   json.RawMessage `json:"data"`
	Msg    any             `json:"msg"`
}

// call makes one request and returns the data of a good answer. A nil body
// sends none.
func (r *Registry) call(ctx context.Context, method, path string, query url.Values, body any) (json.RawMessage, error) {
	limited, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()

	address := r.base.JoinPath(path)
	address.RawQuery = query.Encode()
	req, err := newRequest(limited, method, address, body)
	if err != nil {
		return nil, err
	}
	answer, err := r.do(req)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			return nil, fmt.Errorf("%s %s: no complete answer within %s: %w", method, address.Redacted(), r.timeout, err)
		}
		return nil, fmt.Errorf("%s %s: %w", method, address.Redacted(), err)
	}
	data, err := open(answer)
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

// do sends req and reads the whole answer.
func (r *Registry) do(req *http.Request) ([]byte, error) {
	resp, err := r.client.Do(req)
	if err != nil {
		// A url.Error repeats method and address, which the caller knows better.
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the connection was closed before there was an answer: %w", err)
		}
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the status is %s, and the answer begins with %s", resp.Status, beginning(answer))
	}
	if err != nil {
		return nil, fmt.Errorf("read the answer, which begins with %s: %w", beginning(answer), err)
	}
	if len(answer) > maxAnswer {
		return nil, fmt.Errorf("the answer is larger than %d MiB and begins with %s", maxAnswer>>20, beginning(answer))
	}
	return answer, nil
}

// open takes the data out of its envelope.
func open(answer []byte) (json.RawMessage, error) {
	var e envelope
	if err := json.Unmarshal(answer, &e); err != nil {
		return nil, fmt.Errorf("the answer is not what a registry says (%w) and begins with %s", err, beginning(answer))
	}
	if e.Status == nil {
		return nil, fmt.Errorf("the answer has no httpstatus, as a registry's has, and begins with %s", beginning(answer))
	}
	if e.Status.String() != "200" {
		return nil, fmt.Errorf("the answer's httpstatus is %s, and its message is %.*q", *e.Status, maxQuote, fmt.Sprint(e.Msg))
	}
	return e.Data, nil
}

// beginning quotes as much of an answer as tells a reader what it is.
func beginning(answer []byte) string {
	text := strings.TrimSpace(string(answer[:min(len(answer), maxQuote)]))
	if len(answer) > maxQuote {
		return fmt.Sprintf("%q…", text)
	}
	return fmt.Sprintf("%q", text)
}

// checkRedirect follows a few redirects, as long as what arrives is the same
// request and no less secret.
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
