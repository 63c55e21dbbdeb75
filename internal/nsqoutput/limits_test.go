package nsqoutput

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnAnswerThatNamesALimitIsBelievedIfItIsBelowWhatWasSent(t *testing.T) {
	for answer, want := range map[string]int{
		"E_BAD_MESSAGE PUB message too big 70000 > 65536": 65536,
		"E_BAD_MESSAGE PUB message too big":               35000,
		"E_BAD_MESSAGE PUB message too big 70000 > 0":     35000,
		"E_BAD_MESSAGE PUB message too big 70000 > -1":    35000,
		"E_BAD_MESSAGE PUB message too big 70000 > 70000": 35000,
		"E_BAD_MESSAGE PUB message too big 70000 > much":  35000,
	} {
		require.Equal(t, want, (&refusal{answer}).limit(70000), answer)
	}
}

func TestASizeThatNsqdRefusesIsWarnedOfOnce(t *testing.T) {
	var log bytes.Buffer
	l := newLimits(1<<20, slog.New(slog.NewTextHandler(&log, nil)))
	tooBig := &refusal{"E_BAD_MESSAGE PUB message too big"}
	for _, size := range []int{1000, 500, 800} {
		l.shrink(tooBig, sizes{message: size, body: size + 10}, 1)
	}
	require.Equal(t, 250, l.sizes().message, "it does not grow again")
	require.Equal(t, maxBodySize, l.sizes().body)
	require.Equal(t, 1, strings.Count(log.String(), "refused a message as too big"))

	l.shrink(&refusal{"E_BAD_BODY MPUB body too big"}, sizes{message: 100, body: 600}, 2)
	require.Equal(t, sizes{message: 250, body: 300}, l.sizes())
	require.Equal(t, 1, strings.Count(log.String(), "refused a request as too big"))
}

func TestOnlyARefusalOfTheSizeIsTooBig(t *testing.T) {
	for answer, reason := range map[string]string{
		"E_BAD_MESSAGE PUB message too big 2 > 1": "too_large",
		"E_BAD_BODY MPUB body too big 2 > 1":      "too_large",
		"E_BAD_MESSAGE MPUB invalid message":      "bad_message",
		"E_BAD_TOPIC PUB topic name is too big":   "bad_topic",
	} {
		r := &refusal{answer}
		require.Equal(t, reason, r.reason(), answer)
		require.Equal(t, reason == "too_large", r.tooBig(), answer)
	}
}

func TestOfSeveralRefusalsTheFirstOneIsNamedAndAllPointsCount(t *testing.T) {
	var r refusals
	first := errors.New("first")
	r.add(2, "bad_topic", first)
	r.add(3, "too_large", errors.New("second"))
	require.Equal(t, refusals{points: 5, reason: "bad_topic", first: first}, r)
}
