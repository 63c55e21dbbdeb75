package nsqoutput_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-multierror"
	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent"
	"github.com/lodastack/agent/internal/nsqoutput"
)

func TestNewNamesEverythingThatIsWrong(t *testing.T) {
	_, err := nsqoutput.New(nsqoutput.Config{
		Servers:        []string{"localhost", ":4150", "host:0", "host:port", "ok:4150", "ok:4150"},
		TopicPrefix:    "collect/",
		Format:         "xml",
		MaxMessageSize: 10,
		Timeout:        -time.Second,
	})
	for _, want := range []string{
		`servers: "localhost" is not an address; write HOST:PORT, such as "127.0.0.1:4150"`,
		`servers: ":4150" names no host`,
		`servers: "host:0" has no port from 1 to 65535`,
		`servers: "host:port" has no port`,
		`servers: ok:4150 is named twice`,
		`topicprefix: topic prefix "collect/" contains '/'`,
		`format: "xml" is not a format; write influx or json`,
		`maxmessagesize: 10 bytes is out of bounds`,
		`timeout: -1s is negative`,
	} {
		require.ErrorContains(t, err, want)
	}
	var faults *multierror.Error
	require.ErrorAs(t, err, &faults)
	require.Len(t, faults.Errors, 9)
}

func TestNewNeedsAServer(t *testing.T) {
	_, err := nsqoutput.New(nsqoutput.Config{})
	require.ErrorContains(t, err, `servers: missing; name at least one nsqd, [ "127.0.0.1:4150" ]`)
}

func TestNewRefusesAPrefixThatLeavesNoRoom(t *testing.T) {
	cfg := nsqoutput.Config{Servers: []string{"[::1]:4150"}, TopicPrefix: strings.Repeat("p", 63)}
	_, err := nsqoutput.New(cfg)
	require.NoError(t, err)
	cfg.TopicPrefix += "p"
	_, err = nsqoutput.New(cfg)
	require.ErrorContains(t, err, "topicprefix")
}

func TestNewDoesNotConnect(t *testing.T) {
	addr := serveScript(t, func(peer) { t.Error("somebody has connected") })
	out := newOutput(t, nsqoutput.Config{Servers: []string{addr}})
	require.Equal(t, []agent.ServerDetails{{Address: addr, State: agent.ServerUnused}}, out.Servers())
}
