package httpapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lodastack/agent/internal/otlp"
	"github.com/lodastack/agent/internal/postbody"
)

// The media types of OTLP/HTTP. An answer has that of its request.
const (
	otlpBinary = "application/x-protobuf"
	otlpJSON   = "application/json"
)

// serveOTLP takes metrics from exporters of OpenTelemetry. The answer 200 means the same as that
// of /post, for all data points but those that it rejects.
//
// https://opentelemetry.io/docs/specs/otlp/#otlphttp
func (a *api) serveOTLP(w http.ResponseWriter, r *http.Request) error {
	posted, err := a.post(w, r, "ns", a.readOTLP)
	if p := asProblem(err); p != nil && p.Status == http.StatusRequestTimeout {
		return problem(http.StatusServiceUnavailable, "%s", p.Detail).retryAfter(5) // exporters do not send again after 408
	}
	if err != nil {
		return err
	}
	rejected, reason := rejectedDataPoints(posted)
	w.Header().Set("Content-Type", otlpType(r))
	encode := otlpBinaryAnswer
	if otlpType(r) == otlpJSON {
		encode = otlpJSONAnswer
	}
	_, _ = w.Write(encode(rejected, reason)) // the caller may have left
	return nil
}

// otlpType returns the media type of the request; "" if it is not one of OTLP.
func otlpType(r *http.Request) string {
	switch mediaType, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); mediaType {
	case otlpBinary, otlpJSON:
		return mediaType
	}
	return ""
}

// readOTLP reads the body of a request.
func (a *api) readOTLP(w http.ResponseWriter, r *http.Request, share *memoryShare) (Points, error) {
	mediaType := otlpType(r)
	if mediaType == "" {
		return Points{}, problem(http.StatusUnsupportedMediaType, "The Content-Type %.60q is not one of OTLP/HTTP: send %s or %s.", r.Header.Get("Content-Type"), otlpBinary, otlpJSON)
	}
	body, err := a.readBody(w, r, share)
	if err != nil {
		return Points{}, err
	}
	if err := share.take(int64(len(body))); err != nil { // the binary form is a copy
		return Points{}, err
	}
	message := []byte(body)
	if mediaType == otlpJSON {
		message, err = otlp.FromJSON(body, int(a.config().MaxBody))
		if errors.Is(err, otlp.ErrTooLarge) {
			return Points{}, problem(http.StatusRequestEntityTooLarge, "The body has too many values: send it in parts, or raise api.maxbody.")
		}
		if err != nil {
			return Points{}, problem(http.StatusBadRequest, "The body is no OTLP metrics request in JSON: %v. No data point was accepted.", err)
		}
		if err := share.take(max(0, int64(len(message)-len(body)))); err != nil {
			return Points{}, err
		}
	}
	expected := len(body)/usualPointText + 1
	points := newPartlyPoints(expected, (&pointMeter{share: share}).addCopy)
	each := func(add func(postbody.Point)) error {
		err := otlp.Read(message, func(dataPoint int, p postbody.Point, bad error) error { return points.add(add, dataPoint, p, bad) })
		if err != nil && asProblem(err) == nil {
			return problem(http.StatusBadRequest, "The body is no OTLP metrics request: %v. No data point was accepted.", err)
		}
		return err
	}
	return Points{Expected: expected, Each: each, partly: points}, nil
}

// rejectedDataPoints returns how many data points were rejected, and why the first of them was.
func rejectedDataPoints(posted Posted) (number int, reason string) {
	number = len(posted.Bad)
	if number > 0 {
		bad := posted.Bad[0]
		reason = fmt.Sprintf("data point %d (%.100q): %v", bad.Item, bad.Name, bad.Err)
	}
	if refused := posted.Refused; refused != nil {
		number += refused.Points
		reason = cmp.Or(reason, refused.Error)
	}
	return number, strings.ToValidUTF8(reason, "\uFFFD") // as strings of protobuf must be
}

// otlpBinaryAnswer is an ExportMetricsServiceResponse.
func otlpBinaryAnswer(rejected int, reason string) []byte {
	if rejected == 0 {
		return nil
	}
	partial := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(rejected))
	partial = protowire.AppendString(protowire.AppendTag(partial, 2, protowire.BytesType), reason)
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), partial)
}

// otlpJSONAnswer is an ExportMetricsServiceResponse in JSON.
func otlpJSONAnswer(rejected int, reason string) []byte {
	type partialSuccess struct {
		RejectedDataPoints string `json:"rejectedDataPoints"` // JSON of protobuf writes int64 as text
		ErrorMessage       string `json:"errorMessage"`
	}
	var response struct {
		PartialSuccess *partialSuccess `json:"partialSuccess,omitempty"`
	}
	if rejected > 0 {
		response.PartialSuccess = &partialSuccess{strconv.Itoa(rejected), reason}
	}
	text, err := json.Marshal(response)
	if err != nil {
		return []byte("{}")
	}
	return text
}

// otlpError is the form of errors of OTLP/HTTP: a google.rpc.Status in the encoding of the request.
func otlpError(r *http.Request, header http.Header, p *problemError) any {
	code := rpcCode(p.Status)
	if otlpType(r) != otlpBinary {
		return struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		}{code, p.Detail}
	}
	header.Set("Content-Type", otlpBinary)
	status := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(code))
	return protowire.AppendString(protowire.AppendTag(status, 2, protowire.BytesType), strings.ToValidUTF8(p.Detail, "\uFFFD"))
}

// rpcCode returns the code of google.rpc.Code for a status.
func rpcCode(status int) int {
	switch status {
	case http.StatusForbidden:
		return 7 // PERMISSION_DENIED
	case http.StatusRequestEntityTooLarge:
		return 8 // RESOURCE_EXHAUSTED
	case http.StatusInternalServerError:
		return 13 // INTERNAL
	case http.StatusServiceUnavailable:
		return 14 // UNAVAILABLE
	}
	return 3 // INVALID_ARGUMENT
}
