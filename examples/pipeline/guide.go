package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
)

// usualAddress is the agent's own default.
const usualAddress = "127.0.0.1:1232"

// chooseAddress returns the address that the agent is to listen on: the wanted
// one, or the usual one, or a free port if another program has that.
func chooseAddress(wanted string) (string, error) {
	tried := wanted
	if tried == "" {
		tried = usualAddress
	}
	listener, err := net.Listen("tcp", tried)
	if wanted == "" && errors.Is(err, syscall.EADDRINUSE) {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
	}
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// writeGuide says what runs where, and what to do with it.
func writeGuide(w io.Writer, api, nsqd, dir string) {
	fmt.Fprintf(w, `agent  http://%[1]s, measures this host for the namespace %[4]s
nsqd   %[2]s, has the topic collect.%[4]s; a consumer tells each second what arrives
open   http://%[1]s/
post   curl -d '[{"name": "jobs", "value": 3}]' 'http://%[1]s/post?ns=%[4]s'
end    Ctrl-C; all files are in %[3]s until then

`, api, nsqd, dir, namespace)
}
