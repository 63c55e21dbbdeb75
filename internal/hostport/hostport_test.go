package hostport_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lodastack/agent/internal/hostport"
)

func TestAddressesAreAcceptedOrRefusedWithTheForm(t *testing.T) {
	const form = `; write HOST:PORT, such as "127.0.0.1:4150"`
	server := func(address string) error { return hostport.CheckServer(address, "127.0.0.1:4150") }
	listen := func(address string) error { return hostport.CheckListen(address, "127.0.0.1:4150") }
	for _, test := range []struct {
		check   func(string) error
		address string
		want    string // empty: it is accepted
	}{
		{server, "nsqd.example.com:4150", ""},
		{server, "[::1]:4150", ""},
		{server, "127.0.0.1", `"127.0.0.1" is not an address` + form},
		{server, ":4150", `":4150" names no host` + form},
		{server, "nsqd:0", `"nsqd:0" has no port from 1 to 65535` + form},
		{server, "nsqd:65536", `"nsqd:65536" has no port from 1 to 65535` + form},
		{server, "ns qd:4150", `"ns qd" is not a host`},
		{listen, ":1232", ""},
		{listen, "127.0.0.1:0", ""},
		{listen, "127.0.0.1:-1", `"127.0.0.1:-1" has no port from 1 to 65535` + form},
		{listen, "http://host:1232", `"http://host:1232" is not an address` + form},
		{hostport.CheckHost, "pool.ntp.org", ""},
		{hostport.CheckHost, "ntp:123", ""},
		{hostport.CheckHost, "", "an empty name is not a host"},
		{hostport.CheckHost, "ntp one", `"ntp one" is not a host`},
	} {
		if err := test.check(test.address); test.want != "" {
			require.EqualError(t, err, test.want)
		} else {
			require.NoError(t, err, test.address)
		}
	}
}
