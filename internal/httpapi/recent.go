package httpapi

import (
	"math"
	"net/http"
	"net/url"
	"strconv"

	"github.com/lodastack/agent/internal/recent"
)

// pointAnswer is a point as /me/points and /me/stream have it.
type pointAnswer struct {
	Namespace string            `json:"ns"`
	Name      string            `json:"name"`
	Tags      map[string]string `json:"tags"`
	Value     any               `json:"value"`
	Time      int64             `json:"time"` // Unix seconds
}

// servePoints answers with the last value of each series.
func (a *api) servePoints(w http.ResponseWriter, r *http.Request) error {
	query, filter, err := a.remembered(r)
	if err != nil {
		return err
	}
	limit, err := wholeNumber(query, "limit", recent.MaxSeries, 1, recent.MaxSeries)
	if err != nil {
		return err
	}
	points := a.agent.Recent().Points(filter, limit)
	said := struct {
		Series  int           `json:"series"`
		Limit   int           `json:"limit"`
		LeftOut int64         `json:"left_out"`
		Points  []pointAnswer `json:"points"`
	}{points.Series, recent.MaxSeries, points.LeftOut, make([]pointAnswer, len(points.Points))}
	for i, p := range points.Points {
		said.Points[i] = pointAnswer(p)
	}
	return answer(w, said)
}

// serveHistory answers with the last hour of the host's own measurements.
func (a *api) serveHistory(w http.ResponseWriter, r *http.Request) error {
	_, filter, err := a.remembered(r)
	if err != nil {
		return err
	}
	type series struct {
		Name     string            `json:"name"`
		Tags     map[string]string `json:"tags"`
		Interval int64             `json:"interval"`
		Start    int64             `json:"start"`
		Values   []*float32        `json:"values"` // JSON has no NaN: it is null
	}
	said := struct {
		Series []series `json:"series"`
	}{[]series{}}
	for _, h := range a.agent.Recent().History(filter) {
		s := series{h.Name, h.Tags, h.Interval, h.Start, make([]*float32, len(h.Values))}
		for i, v := range h.Values {
			if !math.IsNaN(float64(v)) {
				s.Values[i] = &h.Values[i]
			}
		}
		said.Series = append(said.Series, s)
	}
	return answer(w, said)
}

// errNothingRemembered is the answer if the config has switched the memory off.
func errNothingRemembered() error {
	return problem(http.StatusNotFound, "This agent remembers nothing of the points that pass, because its config says so: set api.page to true.")
}

// remembered returns the query of a request for what is remembered, and the filter
// in it.
func (a *api) remembered(r *http.Request) (url.Values, recent.Filter, error) {
	if !a.agent.Recent().Remembers() {
		return nil, recent.Filter{}, errNothingRemembered()
	}
	return filterOf(r)
}

// filterOf returns the query of a request, and the filter in its ns and match.
func filterOf(r *http.Request) (url.Values, recent.Filter, error) {
	query, err := queryOf(r)
	if err != nil {
		return nil, recent.Filter{}, err
	}
	filter, err := recent.NewFilter(query.Get("ns"), query.Get("match"))
	if err != nil {
		return nil, recent.Filter{}, problem(http.StatusBadRequest, "Wrong parameter match: %v.", err)
	}
	return query, filter, nil
}

// wholeNumber returns a parameter that is a number from least to most; otherwise,
// where it is left out, the number given.
func wholeNumber(query url.Values, name string, otherwise, least, most int) (int, error) {
	text := query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, problem(http.StatusBadRequest, "Wrong parameter %s: %.100q is not a whole number from %d to %d.", name, text, least, most)
	}
	return n, nil
}
