package registrytest

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Fault makes an answer fail. It wraps the handler of the good answer.
type Fault func(good http.Handler) http.Handler

// Status answers with an HTTP status and an envelope that says the same.
func Status(status int) Fault {
	return answerWith(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, status, nil, "the registry fails on purpose")
	})
}

// HTTPStatus answers with HTTP status 200 and this httpstatus in the envelope.
func HTTPStatus(status int) Fault {
	return Body(fmt.Sprintf(`{"httpstatus":%d,"data":null,"msg":"the registry fails on purpose"}`, status))
}

// HTML answers with the login page of a proxy, with status 200.
func HTML() Fault {
	return answerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!doctype html>\n<html><body><h1>Please log in</h1></body></html>")
	})
}

// Body answers with status 200 and this body.
func Body(body string) Fault {
	return answerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, body)
	})
}

// HalfJSON sends the first half of the good answer.
func HalfJSON() Fault {
	return func(good http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			whole := &heldBack{ResponseWriter: w}
			good.ServeHTTP(whole, r)
			_, _ = w.Write(whole.body[:len(whole.body)/2])
		})
	}
}

// heldBack stores the body of an answer.
type heldBack struct {
	http.ResponseWriter
	body []byte
}

func (h *heldBack) Write(p []byte) (int, error) {
	h.body = append(h.body, p...)
	return len(p), nil
}

// Disconnect closes the connection in the middle of an answer.
func Disconnect() Fault {
	return answerWith(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, `{"httpstatus":200,`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
}

// HangUp closes the connection before any answer.
func HangUp() Fault {
	return answerWith(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

// Hang never answers. It waits until the caller or the server gives up.
func Hang() Fault {
	return answerWith(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// Stall sends headers and the beginning of an answer, and nothing more.
func Stall() Fault {
	return answerWith(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"httpstatus":200,`)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
}

// Slow sends the good answer after a pause.
func Slow(delay time.Duration) Fault {
	return func(good http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(delay):
				good.ServeHTTP(w, r)
			case <-r.Context().Done():
			}
		})
	}
}

// Huge answers with a JSON document of more than size bytes.
func Huge(size int64) Fault {
	return answerWith(func(w http.ResponseWriter, _ *http.Request) {
		piece := bytes.Repeat([]byte(" "), 64<<10)
		fmt.Fprint(w, `{"httpstatus":200,"data":`)
		for sent := int64(0); sent < size; sent += int64(len(piece)) {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
		fmt.Fprint(w, `{},"msg":""}`)
	})
}

// RedirectLoop redirects the caller again and again.
func RedirectLoop() Fault {
	return answerWith(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.RequestURI(), http.StatusTemporaryRedirect)
	})
}

// Redirect redirects with this status to the same path at another address.
func Redirect(status int, base string) Fault {
	return answerWith(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.TrimSuffix(base, "/")+r.URL.RequestURI(), status)
	})
}

func answerWith(h http.HandlerFunc) Fault {
	return func(http.Handler) http.Handler { return h }
}
