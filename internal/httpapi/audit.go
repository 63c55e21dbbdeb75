package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// maxAuditText bounds what a line of the audit log quotes of a request, and of
// its answer, in bytes.
const maxAuditText = 500

// auditLine is a line of the audit log: a control call, or a refused request.
type auditLine struct {
	Time string `json:"time"` // RFC 3339, UTC
	// Who called: "uid 1000" over a unix socket, "certificate SUBJECT",
	// "token", "loopback", or "unknown".
	Who string `json:"who"`
	// From is the address that the request came from.
	From string `json:"from"`
	// What is the method and the address with its parameters.
	What string `json:"what"`
	// Result is the status, with the reason where it is not a success.
	Result string `json:"result"`
}

// audit writes a line about a request and its answer.
func (a *api) audit(r *http.Request, code int, err error) {
	line := auditLine{
		Time:   time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00"),
		Who:    a.callerOf(r).String(),
		From:   fromOf(r),
		What:   cut(r.Method + " " + r.URL.RequestURI()),
		Result: fmt.Sprintf("%d %s", code, http.StatusText(code)),
	}
	if err != nil {
		line.Result = cut(fmt.Sprintf("%d %v", code, err))
	}
	if a.config.Audit == nil {
		a.config.Logger.Info("audit", "who", line.Who, "from", line.From, "what", line.What, "result", line.Result)
		return
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // people read it: & is not \u0026
	if err := encoder.Encode(line); err != nil {
		a.config.Logger.Error("could not write the audit log", "error", err)
		return
	}
	if _, err := a.config.Audit.Write(text.Bytes()); err != nil {
		a.config.Logger.Error("could not write the audit log", "line", line, "error", err)
	}
}

// fromOf returns where a request came from.
func fromOf(r *http.Request) string {
	if fromUnixSocket(r) {
		return "unix socket"
	}
	return r.RemoteAddr
}

// cut bounds a text of the audit log.
func cut(text string) string {
	if len(text) > maxAuditText {
		text = text[:maxAuditText] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
