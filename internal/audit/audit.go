// Package audit writes the audit log. It records who changed what runs on this host, and
// whose attempts were refused. The HTTP API and the agent itself write to one log.
package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"
)

// maxText bounds each text of a line, in bytes.
const maxText = 500

// Line is a line of the audit log. It must not contain secrets.
type Line struct {
	// Time is set by Write: RFC 3339, UTC.
	Time string `json:"time"`
	// Who acted: a caller of the HTTP API, named by its strongest proof, or
	// "registry", "update" or "rollback", if that changed a version.
	Who string `json:"who"`
	// From is the address that a request came from; "agent" for what the agent
	// did itself.
	From string `json:"from"`
	// What was asked for or done.
	What string `json:"what"`
	// Result is a status or "ok", with the reason if it is not a success.
	Result string `json:"result"`
}

// Log takes the lines. Its methods are safe for concurrent use where its Writer
// is.
type Log struct {
	// Writer gets each line as JSON, in one Write. Nil: the Logger gets them.
	Writer io.Writer
	Logger *slog.Logger
}

// Write writes the line with the present time. Texts that are too long are cut.
// If the Writer fails or panics, the Logger gets the line.
func (l Log) Write(line Line) {
	line.Time = time.Now().UTC().Format("2006-01-02T15:04:05.000Z07:00")
	for _, text := range []*string{&line.Who, &line.From, &line.What, &line.Result} {
		*text = cut(*text)
	}
	attrs := []any{"who", line.Who, "from", line.From, "what", line.What, "result", line.Result}
	if l.Writer == nil {
		l.Logger.Info("audit", attrs...)
		return
	}
	if err := l.write(line); err != nil {
		l.Logger.Error("could not write the audit log", append(attrs, "error", err)...)
	}
}

func (l Log) write(line Line) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = fmt.Errorf("panic: %v", value)
		}
	}()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // people read it: & is not \u0026
	if err := encoder.Encode(line); err != nil {
		return err
	}
	_, err = l.Writer.Write(text.Bytes())
	return err
}

func cut(text string) string {
	if len(text) > maxText {
		text = text[:maxText] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
