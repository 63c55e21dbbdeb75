package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/lodastack/agent/internal/postbody"
)

// influxVersion is the version of InfluxDB that clients ask for to know how to write. It is
// the last one with both kinds of addresses.
const influxVersion = "1.8.10"

// serveWrite returns what serves the writes of InfluxDB's clients, which name the namespace in
// a parameter. partly is the status if the output has refused a part of the points. The answer
// 204 means the same as 200 of /post. Unlike there, the body may be empty, because some clients
// write empty batches; and good lines are taken beside bad ones, as InfluxDB does, because clients
// drop the whole batch after the answer 400.
//
// https://docs.influxdata.com/influxdb/v1/tools/api/#write-http-endpoint
// https://docs.influxdata.com/influxdb/v2/api/v2/#operation/PostWrite
func (a *api) serveWrite(parameter string, partly int) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("X-Influxdb-Version", influxVersion)
		posted, err := a.post(w, r, parameter, a.readWrite)
		if err != nil {
			return err
		}
		if bad := posted.Bad; len(bad) > 0 && posted.Accepted == 0 {
			p := problem(http.StatusBadRequest, "%v. No metric of the body was accepted.", bad[0])
			p.badMetrics = true
			return p
		} else if len(bad) > 0 {
			return problem(http.StatusBadRequest, "partial write: unable to parse: %v dropped=%d", bad[0], len(bad))
		}
		if refused := posted.Refused; refused != nil {
			return problem(partly, "partial write: %s dropped=%d", refused.Error, refused.Points)
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// readWrite reads the body of a write.
func (a *api) readWrite(w http.ResponseWriter, r *http.Request, share *memoryShare) (Points, error) {
	unit, err := precisionOf(r)
	if err != nil {
		return Points{}, err
	}
	body, err := a.readBody(w, r, share)
	if err != nil {
		return Points{}, err
	}
	expected := len(body)/usualPointText + 1
	points := newPartlyPoints(expected, (&pointMeter{share: share}).addOfLine)
	each := func(add func(postbody.Point)) error {
		return postbody.ReadEachLine(body, unit, func(i int, p postbody.Point, bad error) error { return points.add(add, i, p, bad) })
	}
	return Points{Expected: expected, Each: each, partly: points}, nil
}

// precisionOf returns the unit of the timestamps of a write. 0: the request does not say.
// InfluxDB takes them for nanoseconds then. Here, the number of digits shows the unit.
func precisionOf(r *http.Request) (time.Duration, error) {
	query, err := queryOf(r)
	if err != nil {
		return 0, err
	}
	switch precision := query.Get("precision"); precision {
	case "":
		return 0, nil
	case "n", "ns":
		return time.Nanosecond, nil
	case "u", "us", "µs":
		return time.Microsecond, nil
	case "ms":
		return time.Millisecond, nil
	case "s":
		return time.Second, nil
	case "m":
		return time.Minute, nil
	case "h":
		return time.Hour, nil
	default:
		return 0, problem(http.StatusBadRequest, "Wrong parameter precision: %.20q is none of ns, us, ms, s, m and h.", precision)
	}
}

// servePing answers clients that ask whether this is an InfluxDB.
func servePing(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("X-Influxdb-Version", influxVersion)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// influxHealth is what /health answers.
type influxHealth struct {
	Name    string `json:"name"`
	Message string `json:"message"`
	Status  string `json:"status"`
}

// serveInfluxHealth answers as /healthz does, in the form of InfluxDB 2.
func (a *api) serveInfluxHealth(w http.ResponseWriter, r *http.Request) error {
	if err := a.checkHealth(r); err != nil {
		return err
	}
	return answer(w, influxHealth{"agent", "ready for writes", "pass"})
}

// influxHealthError is the form of errors of /health.
func influxHealthError(_ *http.Request, _ http.Header, p *problemError) any {
	return influxHealth{"agent", p.Detail, "fail"}
}

// influxdb1Error is the form of errors of InfluxDB 1. Without the version, its client takes
// an error for that of a proxy.
func influxdb1Error(_ *http.Request, header http.Header, p *problemError) any {
	message := influxMessage(p)
	header.Set("X-Influxdb-Version", influxVersion)
	header.Set("X-Influxdb-Error", message)
	return struct {
		Error string `json:"error"`
	}{message}
}

// influxdb2Error is the form of errors of InfluxDB 2.
func influxdb2Error(_ *http.Request, _ http.Header, p *problemError) any {
	return struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{influxCode(p.Status), influxMessage(p)}
}

// influxMessage returns what a problem says. Older versions of Telegraf write a bad batch again
// and again unless the message begins as that of InfluxDB 1 does.
func influxMessage(p *problemError) string {
	if p.badMetrics {
		return "unable to parse: " + p.Detail
	}
	return p.Detail
}

// influxCode returns InfluxDB's code for a status.
func influxCode(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "invalid"
	case http.StatusRequestEntityTooLarge:
		return "request too large"
	case http.StatusInternalServerError:
		return "internal error"
	case http.StatusServiceUnavailable:
		return "unavailable"
	}
	return strings.ToLower(http.StatusText(status))
}
