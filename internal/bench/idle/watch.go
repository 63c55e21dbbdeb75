//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// plotted are the measurements that the page plots.
const plotted = "cpu.user,cpu.system,cpu.iowait,cpu.steal,mem.used.percent,mem.swap.used.percent,cpu.loadavg.1,cpu.loadavg.5,cpu.loadavg.15," +
	"disk.io.util,disk.io.read_bytes,disk.io.write_bytes,net.in,net.out,fs.space.used.percent"

// watch asks the agent as a browser does that opens the page, and reads the stream until
// ctx ends. It returns once the stream is open.
func watch(ctx context.Context, socket string) error {
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	get := func(path string) (*http.Response, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/"+path, nil)
		if err != nil {
			return nil, err
		}
		response, err := client.Do(request)
		if err == nil && response.StatusCode != http.StatusOK {
			response.Body.Close()
			err = fmt.Errorf("GET /%s: %s", path, response.Status)
		}
		return response, err
	}
	for _, path := range []string{"", "page.css", "page.js", "me/access", "me/status", "me/history", "me/warnings"} {
		response, err := get(path)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
		if err != nil {
			return err
		}
	}
	stream, err := get("me/stream?" + url.Values{"ns": {"idle"}, "rate": {"1000"}, "status": {"10"}, "match": {plotted}}.Encode())
	if err != nil {
		return err
	}
	go func() {
		defer stream.Body.Close()
		_, _ = io.Copy(io.Discard, stream.Body) // until ctx ends
	}()
	return nil
}
